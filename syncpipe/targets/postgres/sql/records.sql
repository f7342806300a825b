-- Table mode, the memory of the user's rows. The memory is won and locked first, in key order; the
-- user's rows are written by later statements of the same transaction, whose snapshots are fresh.

-- name: put
INSERT INTO {records} AS t (collection, key, gone, version, tie, detail)
SELECT d.collection, d.key, d.gone, d.version, d.tie, d.detail
FROM jsonb_to_recordset(%(records)s::jsonb) AS d (
    collection text, key text, gone boolean, version bigint, tie bigint, detail jsonb
)
ORDER BY d.collection COLLATE "C", d.key COLLATE "C"
ON CONFLICT (collection, key) DO UPDATE SET
    gone = excluded.gone,
    version = excluded.version,
    tie = excluded.tie,
    detail = excluded.detail
WHERE (t.version, t.tie) < (
    coalesce((excluded.detail -> 'b' ->> 0)::bigint, excluded.version),
    coalesce((excluded.detail -> 'b' ->> 1)::bigint, excluded.tie)
)
RETURNING collection, key;

-- name: patch
INSERT INTO {records} AS t (collection, key, gone, version, tie, detail)
SELECT d.collection, d.key, d.gone, d.version, d.tie, d.detail
FROM jsonb_to_recordset(%(records)s::jsonb) AS d (
    collection text, key text, gone boolean, version bigint, tie bigint, detail jsonb
)
ORDER BY d.collection COLLATE "C", d.key COLLATE "C"
ON CONFLICT (collection, key) DO UPDATE SET
    gone = excluded.gone,
    version = excluded.version,
    tie = excluded.tie,
    detail = jsonb_strip_nulls(jsonb_build_object(
        'b', coalesce(t.detail -> 'b', jsonb_build_array(t.version, t.tie)),
        'f', coalesce(t.detail -> 'f', jsonb_build_object()) || (excluded.detail -> 'f'),
        'i', t.detail -> 'i'
    ))
WHERE NOT EXISTS (
    SELECT FROM jsonb_each(excluded.detail -> 'f') AS f (name, stamp)
    WHERE ((f.stamp ->> 0)::bigint, (f.stamp ->> 1)::bigint) <= (t.version, t.tie)
)
RETURNING collection, key;

-- name: lock
-- Locks records in key order, those that are new by making a row; version 0 stands before every
-- operation. One statement has to do both, or two workers could each hold what the other wants:
-- the update that updates nothing locks the rows that exist.
INSERT INTO {records} AS t (collection, key, gone, version, tie)
SELECT d.collection, d.key, true, 0, 0
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text)
ORDER BY d.collection COLLATE "C", d.key COLLATE "C"
ON CONFLICT (collection, key) DO UPDATE SET version = t.version WHERE false;

-- name: read
-- What is remembered of locked records.
SELECT t.collection, t.key, t.version, t.tie, t.detail, t.floor
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text)
JOIN {records} AS t ON t.collection = d.collection AND t.key = d.key;

-- name: recall
-- What is remembered of records, for a look that locks nothing.
SELECT t.collection, t.key, t.version, t.tie, t.detail
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text)
JOIN {records} AS t ON t.collection = d.collection AND t.key = d.key;

-- name: write
UPDATE {records} AS t SET gone = d.gone, version = d.version, tie = d.tie, detail = d.detail
FROM jsonb_to_recordset(%(records)s::jsonb) AS d (
    collection text, key text, gone boolean, version bigint, tie bigint, detail jsonb
)
WHERE t.collection = d.collection AND t.key = d.key;
