-- What every connection of ours starts with.

-- name: settings
SELECT
    set_config('statement_timeout', %(statement_timeout)s, false),
    set_config('lock_timeout', %(lock_timeout)s, false),
    set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, false),
    set_config('TimeZone', 'UTC', false),
    set_config('IntervalStyle', 'iso_8601', false),
    set_config('bytea_output', 'hex', false),
    set_config('extra_float_digits', '1', false),
    -- A commit that is not on disk would break the promise behind the acknowledgement.
    CASE
        WHEN current_setting('synchronous_commit') = 'off'
        THEN set_config('synchronous_commit', 'on', false)
    END;

-- name: clock
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
