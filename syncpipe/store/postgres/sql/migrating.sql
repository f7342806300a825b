-- Which migrations have run.

-- name: take_time
-- However long another one, or a migration of much data, takes.
SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true);

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('syncpipe migrate ' || %(schema)s::text, 0));

-- name: hurry
-- What a migration locks, others want: better to give up than to hold them up.
SELECT set_config('lock_timeout', %(lock_timeout)s, true);

-- name: schema_exists
-- Asked first: to make a schema takes a right that is not needed where it is there.
SELECT to_regnamespace(quote_ident(%(schema)s::text)) IS NOT NULL;

-- name: schema
CREATE SCHEMA {schema};

-- name: table
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    number integer PRIMARY KEY,
    -- pre, or post
    phase text NOT NULL,
    name text NOT NULL,
    ran_at timestamptz NOT NULL DEFAULT now()
);

-- name: ran
SELECT number, phase FROM {schema}.migrations ORDER BY number;

-- name: note
INSERT INTO {schema}.migrations (number, phase, name) VALUES (%(number)s, %(phase)s, %(name)s);
