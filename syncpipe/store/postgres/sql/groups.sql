-- Groups of operations. Rows are locked in the order of the primary key, or not waited for.

-- name: enter
WITH deaths AS (
    SELECT g.group_id, g.operation_id, g.code, g.died_at
    FROM {schema}.group_deaths AS g
    WHERE g.group_id = ANY(%(asked)s::uuid[])
),
entering AS (
    INSERT INTO {schema}.group_members (
        group_id, operation_id, target, collection, key, priority
    )
    SELECT d.group_id, d.operation_id, d.target, d.collection, d.key, d.priority
    FROM unnest(
        %(group_id)s::uuid[], %(operation_id)s::uuid[], %(target)s::text[],
        %(collection)s::text[], %(key)s::text[], %(priority)s::text[]
    ) AS d (group_id, operation_id, target, collection, key, priority)
    WHERE NOT EXISTS (SELECT FROM deaths AS g WHERE g.group_id = d.group_id)
    ORDER BY d.group_id, d.operation_id, d.target COLLATE "C", d.collection COLLATE "C",
             d.key COLLATE "C"
    ON CONFLICT DO NOTHING
)
SELECT group_id, operation_id::text, code, (extract(epoch FROM died_at) * 1000)::bigint FROM deaths;

-- name: entered
SELECT m.group_id, m.operation_id, m.target, m.collection, m.key
FROM unnest(
    %(group_id)s::uuid[], %(operation_id)s::uuid[], %(target)s::text[],
    %(collection)s::text[], %(key)s::text[]
) AS d (group_id, operation_id, target, collection, key)
JOIN {schema}.group_members AS m
    ON m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
    AND m.collection = d.collection AND m.key = d.key
WHERE m.group_id = ANY(%(dead)s::uuid[]);

-- name: leave
WITH refused AS (
    SELECT m.group_id, m.operation_id, m.target, m.collection, m.key
    FROM unnest(
        %(group_id)s::uuid[], %(operation_id)s::uuid[], %(target)s::text[],
        %(collection)s::text[], %(key)s::text[]
    ) AS d (group_id, operation_id, target, collection, key)
    JOIN {schema}.group_members AS m
        ON m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
        AND m.collection = d.collection AND m.key = d.key
    WHERE m.applied_at IS NULL
    ORDER BY m.group_id, m.operation_id, m.target, m.collection, m.key
    FOR UPDATE OF m
)
DELETE FROM {schema}.group_members AS m
USING refused AS d
WHERE m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
  AND m.collection = d.collection AND m.key = d.key
  AND m.applied_at IS NULL;

-- name: applied
-- Due at once where the group has ended dead. A death that is being recorded at this moment locks
-- the members that have entered, so that either it sees that they are applied, or they see it.
INSERT INTO {schema}.group_members AS m (
    group_id, operation_id, target, collection, key, priority, raw, applied_at, due
)
SELECT d.group_id, d.operation_id, d.target, d.collection, d.key, d.priority, d.raw, now(),
       CASE WHEN g.group_id IS NOT NULL THEN now() END
FROM unnest(
    %(group_id)s::uuid[], %(operation_id)s::uuid[], %(target)s::text[], %(collection)s::text[],
    %(key)s::text[], %(priority)s::text[], %(raw)s::bytea[]
) AS d (group_id, operation_id, target, collection, key, priority, raw)
LEFT JOIN {schema}.group_deaths AS g ON g.group_id = d.group_id
ORDER BY d.group_id, d.operation_id, d.target COLLATE "C", d.collection COLLATE "C",
         d.key COLLATE "C"
ON CONFLICT (group_id, operation_id, target, collection, key) DO UPDATE SET
    priority = excluded.priority, raw = excluded.raw, applied_at = excluded.applied_at,
    due = coalesce(m.due, excluded.due)
WHERE m.applied_at IS NULL;

-- name: die
-- The first that is recorded counts.
INSERT INTO {schema}.group_deaths (group_id, operation_id, code, died_at)
SELECT d.group_id, d.operation_id, d.code, to_timestamp(d.died_ms / 1000.0)
FROM unnest(
    %(group_id)s::uuid[], %(operation_id)s::uuid[], %(code)s::text[], %(died_ms)s::bigint[]
) AS d (group_id, operation_id, code, died_ms)
ORDER BY d.group_id
ON CONFLICT (group_id) DO NOTHING
RETURNING group_id;

-- name: hasten_members
-- The slot is a condition on the row g of a dead group.
WITH late AS (
    SELECT m.group_id, m.operation_id, m.target, m.collection, m.key
    FROM {schema}.group_deaths AS g
    JOIN {schema}.group_members AS m ON m.group_id = g.group_id
    WHERE {groups} AND m.due IS NULL
    ORDER BY m.group_id, m.operation_id, m.target, m.collection, m.key
    FOR UPDATE OF m
)
UPDATE {schema}.group_members AS m
SET due = now()
FROM late AS d
WHERE m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
  AND m.collection = d.collection AND m.key = d.key;

-- name: hasten_scheduled
-- What is lent is on its way.
WITH late AS (
    SELECT s.operation_id, s.target, s.collection, s.key
    FROM {schema}.group_deaths AS g
    JOIN {schema}.scheduled AS s ON s.group_id = g.group_id
    WHERE {groups} AND s.due > now() AND s.token IS NULL
    ORDER BY s.operation_id, s.target, s.collection, s.key
    FOR UPDATE OF s
)
UPDATE {schema}.scheduled AS s
SET due = now()
FROM late AS d
WHERE s.operation_id = d.operation_id AND s.target = d.target
  AND s.collection = d.collection AND s.key = d.key AND s.token IS NULL;

-- name: these
g.group_id = ANY(%(dead)s::uuid[])

-- name: recent
-- What slips through does so within a batch's time of the death.
g.recorded_at > now() - interval '1 day'

-- name: lend
-- What others hold is passed over. The sum of bytes ends the list; the first always fits.
WITH due AS (
    SELECT m.group_id, m.operation_id, m.target, m.collection, m.key, m.due,
           octet_length(m.raw) AS bytes
    FROM {schema}.group_members AS m
    WHERE m.due <= now() AND m.applied_at IS NOT NULL AND m.compensated_at IS NULL
    ORDER BY m.due
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
),
summed AS (
    SELECT d.*, sum(d.bytes) OVER (
        ORDER BY d.due, d.group_id, d.operation_id, d.target, d.collection, d.key
    ) AS until
    FROM due AS d
)
UPDATE {schema}.group_members AS m
SET tries = m.tries + 1,
    due = now() + least(
        %(lease_ms)s * power(2, least(m.tries, 20)), greatest(%(lease_ms)s, 60000)
    ) * interval '1 millisecond'
FROM summed AS d
WHERE m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
  AND m.collection = d.collection AND m.key = d.key
  AND (d.until <= %(max_bytes)s OR d.until = d.bytes)
RETURNING m.group_id, m.operation_id, m.target, m.collection, m.key, m.priority, m.raw;

-- name: propose
-- The first counts, whoever made it.
INSERT INTO {schema}.compensations (
    group_id, operation_id, collection, key, undoing_id, undoing_collection, undoing_key, priority,
    raw
)
SELECT d.*
FROM unnest(
    %(group_id)s::uuid[], %(operation_id)s::uuid[], %(collection)s::text[], %(key)s::text[],
    %(undoing_id)s::uuid[], %(undoing_collection)s::text[], %(undoing_key)s::text[],
    %(undoing_priority)s::text[], %(undoing_raw)s::bytea[]
) AS d (
    group_id, operation_id, collection, key, undoing_id, undoing_collection, undoing_key, priority,
    raw
)
ORDER BY d.group_id, d.operation_id, d.collection COLLATE "C", d.key COLLATE "C"
ON CONFLICT DO NOTHING;

-- name: compensate
WITH wanted AS (
    SELECT m.group_id, m.operation_id, m.target, m.collection, m.key
    FROM unnest(
        %(group_id)s::uuid[], %(operation_id)s::uuid[], %(target)s::text[],
        %(collection)s::text[], %(key)s::text[]
    ) AS d (group_id, operation_id, target, collection, key)
    JOIN {schema}.group_members AS m
        ON m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
        AND m.collection = d.collection AND m.key = d.key
    WHERE m.applied_at IS NOT NULL AND m.compensated_at IS NULL
    ORDER BY m.group_id, m.operation_id, m.target, m.collection, m.key
    FOR UPDATE OF m
),
marked AS (
    UPDATE {schema}.group_members AS m
    SET compensated_at = now()
    FROM wanted AS d
    WHERE m.group_id = d.group_id AND m.operation_id = d.operation_id AND m.target = d.target
      AND m.collection = d.collection AND m.key = d.key AND m.compensated_at IS NULL
    RETURNING m.group_id, m.operation_id, m.target, m.collection, m.key
),
sent AS (
    INSERT INTO {schema}.scheduled (
        operation_id, target, collection, key, priority, raw, tries, attempts, due
    )
    SELECT c.undoing_id, d.target, c.undoing_collection, c.undoing_key, c.priority, c.raw, 0, '[]',
           now()
    FROM marked AS d
    JOIN {schema}.compensations AS c
        ON c.group_id = d.group_id AND c.operation_id = d.operation_id
        AND c.collection = d.collection AND c.key = d.key
    WHERE c.raw IS NOT NULL
    ORDER BY c.undoing_id, d.target, c.undoing_collection, c.undoing_key
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM marked;

-- name: death
SELECT group_id, operation_id::text, code, (extract(epoch FROM died_at) * 1000)::bigint
FROM {schema}.group_deaths
WHERE group_id = %(group_id)s;

-- name: counts
SELECT count(*), count(applied_at), count(compensated_at)
FROM {schema}.group_members
WHERE group_id = %(group_id)s;

-- name: forget_members
WITH old AS (
    SELECT m.ctid
    FROM {schema}.group_members AS m
    LEFT JOIN unnest(%(collection)s::text[], %(horizon_s)s::bigint[]) AS h (collection, horizon_s)
        ON h.collection = m.collection
    WHERE m.entered_at < now() - coalesce(h.horizon_s, %(longest_s)s) * interval '1 second'
      AND NOT (m.due IS NOT NULL AND m.applied_at IS NOT NULL AND m.compensated_at IS NULL)
    LIMIT %(limit)s
    FOR UPDATE OF m SKIP LOCKED
)
DELETE FROM {schema}.group_members AS m USING old WHERE m.ctid = old.ctid;

-- name: forget_deaths
DELETE FROM {schema}.group_deaths AS g
WHERE g.recorded_at < now() - %(longest_s)s * interval '1 second'
  AND NOT EXISTS (SELECT FROM {schema}.group_members AS m WHERE m.group_id = g.group_id);

-- name: forget_compensations
DELETE FROM {schema}.compensations AS c
WHERE NOT EXISTS (SELECT FROM {schema}.group_deaths AS g WHERE g.group_id = c.group_id);
