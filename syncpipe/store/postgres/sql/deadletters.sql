-- Dead letters: one row each. {whole} is the list of columns that make a letter again.

-- name: insert
INSERT INTO {schema}.dead_letters (
    id, raw, decoded, operation_id, target, queue, collection, key, version, stage, code, message,
    sqlstate, "constraint", status, endpoint, attempts, fingerprint, trace, worker,
    first_seen, last_seen, times_seen, edited_from
)
VALUES (
    %(id)s::uuid, %(raw)s, %(decoded)s::jsonb, %(operation_id)s::uuid, %(target)s, %(queue)s,
    %(collection)s, %(key)s, %(version)s, %(stage)s, %(code)s, %(message)s, %(sqlstate)s,
    %(constraint)s, %(status)s, %(endpoint)s, %(attempts)s::jsonb, %(fingerprint)s, %(trace)s,
    %(worker)s, to_timestamp(%(first_seen_ms)s::bigint / 1000.0),
    to_timestamp(%(last_seen_ms)s::bigint / 1000.0), %(times_seen)s, %(edited_from)s::uuid
)
ON CONFLICT (id) DO NOTHING
RETURNING id::text;

-- name: present
-- Those that are there already, locked: in one order, so that nobody waits for each other.
SELECT {whole} FROM {schema}.dead_letters
WHERE id = ANY(%(ids)s::uuid[])
ORDER BY id
FOR UPDATE;

-- name: update
UPDATE {schema}.dead_letters
SET queue = %(queue)s, stage = %(stage)s, code = %(code)s, message = %(message)s,
    sqlstate = %(sqlstate)s, "constraint" = %(constraint)s, status = %(status)s,
    endpoint = %(endpoint)s, attempts = %(attempts)s::jsonb, fingerprint = %(fingerprint)s,
    trace = %(trace)s, worker = %(worker)s,
    last_seen = to_timestamp(%(last_seen_ms)s::bigint / 1000.0), times_seen = %(times_seen)s,
    state = %(state)s, changed_by = %(changed_by)s, reason = %(reason)s,
    changed = to_timestamp(%(changed_ms)s::bigint / 1000.0)
WHERE id = %(id)s::uuid;

-- name: find
SELECT {whole} FROM {schema}.dead_letters
WHERE id = %(id)s::uuid OR operation_id = %(id)s::uuid
ORDER BY last_seen DESC, id DESC;

-- name: whole
id::text, raw, queue, stage, code, message, (extract(epoch FROM last_seen) * 1000)::bigint, worker,
operation_id::text, collection, key, version, sqlstate, "constraint", status, endpoint, attempts,
trace, (extract(epoch FROM first_seen) * 1000)::bigint, times_seen, state,
(extract(epoch FROM changed) * 1000)::bigint, changed_by, reason, edited_from::text, edited_to::text,
replay::text

-- name: wait
-- For whoever is recording: what is not committed cannot be seen.
LOCK TABLE {schema}.dead_letters IN SHARE MODE;

-- name: open_keys
-- In two parts, each of which has an index.
SELECT collection, key FROM {schema}.dead_letters
WHERE state = 'open' AND target = %(target)s AND collection IS NOT NULL AND key IS NOT NULL
UNION
SELECT collection, key FROM {schema}.dead_letters
WHERE state IN ('replaying', 'discarded') AND target = %(target)s
    AND collection IS NOT NULL AND key IS NOT NULL;

-- name: count
SELECT count(*) FROM {schema}.dead_letters WHERE state = 'open';
