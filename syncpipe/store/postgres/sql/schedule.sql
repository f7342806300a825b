-- The schedule. Rows are locked in the order of the primary key, or not waited for.

-- name: put
INSERT INTO {schema}.scheduled AS s (
    operation_id, target, collection, key, priority, raw, tries, attempts, trace, group_id, replay,
    due
)
SELECT d.operation_id, d.target, d.collection, d.key, d.priority, d.raw, d.tries,
       d.attempts::jsonb, d.trace, d.group_id, d.replay,
       now() + d.wait_ms * interval '1 millisecond'
FROM unnest(
    %(operation_id)s::uuid[], %(target)s::text[], %(collection)s::text[], %(key)s::text[],
    %(priority)s::text[], %(raw)s::bytea[], %(tries)s::integer[], %(attempts)s::text[],
    %(trace)s::text[], %(group_id)s::uuid[], %(replay)s::uuid[], %(wait_ms)s::bigint[]
) AS d (
    operation_id, target, collection, key, priority, raw, tries, attempts, trace, group_id,
    replay, wait_ms
)
ORDER BY d.operation_id, d.target COLLATE "C", d.collection COLLATE "C", d.key COLLATE "C"
ON CONFLICT (operation_id, target, collection, key) DO UPDATE SET
    priority = CASE WHEN excluded.tries < s.tries THEN s.priority ELSE excluded.priority END,
    raw = CASE WHEN excluded.tries < s.tries THEN s.raw ELSE excluded.raw END,
    tries = greatest(excluded.tries, s.tries),
    attempts = CASE WHEN excluded.tries < s.tries THEN s.attempts ELSE excluded.attempts END,
    trace = CASE WHEN excluded.tries < s.tries THEN s.trace ELSE excluded.trace END,
    due = CASE WHEN excluded.tries < s.tries THEN s.due ELSE excluded.due END,
    replay = coalesce(excluded.replay, s.replay),
    token = NULL;

-- name: lease
-- What others hold is passed over. The sum of bytes ends each target's part; the first always fits.
WITH due AS (
    SELECT d.operation_id, d.target, d.collection, d.key, d.due, octet_length(d.raw) AS bytes
    FROM unnest(%(targets)s::text[]) AS t (name)
    CROSS JOIN LATERAL (
        SELECT s.operation_id, s.target, s.collection, s.key, s.due, s.raw
        FROM {schema}.scheduled AS s
        WHERE s.target = t.name AND s.due <= now()
        ORDER BY s.due
        LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ) AS d
),
summed AS (
    SELECT d.*, sum(d.bytes) OVER (
        PARTITION BY d.target ORDER BY d.due, d.operation_id, d.collection, d.key
    ) AS until
    FROM due AS d
)
UPDATE {schema}.scheduled AS s
SET token = %(token)s::uuid, due = now() + %(lease_ms)s * interval '1 millisecond'
FROM summed AS d
WHERE s.operation_id = d.operation_id AND s.target = d.target
  AND s.collection = d.collection AND s.key = d.key
  AND (d.until <= %(max_bytes)s OR d.until = d.bytes)
RETURNING s.operation_id, s.target, s.collection, s.key, s.priority, s.raw, s.attempts, s.trace,
          s.group_id, s.replay, d.due;

-- name: remove
-- What has been scheduled anew since it was lent has another token, or none.
WITH held AS (
    SELECT s.operation_id, s.target, s.collection, s.key
    FROM unnest(
        %(operation_id)s::uuid[], %(target)s::text[], %(collection)s::text[], %(key)s::text[]
    ) AS d (operation_id, target, collection, key)
    JOIN {schema}.scheduled AS s
        ON s.operation_id = d.operation_id AND s.target = d.target
        AND s.collection = d.collection AND s.key = d.key
    WHERE s.token = %(token)s::uuid
    ORDER BY s.operation_id, s.target, s.collection, s.key
    FOR UPDATE OF s
)
DELETE FROM {schema}.scheduled AS s
USING held AS h
WHERE s.operation_id = h.operation_id AND s.target = h.target
  AND s.collection = h.collection AND s.key = h.key
  AND s.token = %(token)s::uuid;

-- name: outlook
SELECT target, count(*), extract(epoch FROM min(due) - now())::float8
FROM {schema}.scheduled
GROUP BY target
ORDER BY target;
