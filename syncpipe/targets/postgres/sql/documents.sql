-- Document mode. One statement locks, compares and writes a record's row: ON CONFLICT DO UPDATE takes
-- the newest committed version of the row, so no snapshot can be stale. Rows are taken in key order, so
-- that two workers cannot deadlock.
--
-- `put` and `patch` take an array for each column, and return which records they have NOT written:
-- mostly none, and then none is looked for.

-- name: put
-- Deltas with a base (an upsert or delete) above everything that is stored.
WITH written AS (
    INSERT INTO {documents} AS t (collection, key, document, version, tie, detail)
    SELECT d.collection, d.key, d.document::jsonb, d.version, d.tie, d.detail::jsonb
    FROM unnest(
        %(collections)s, %(keys)s, %(documents)s, %(versions)s, %(ties)s, %(details)s
    ) AS d (collection, key, document, version, tie, detail)
    ORDER BY d.collection COLLATE "C", d.key COLLATE "C"
    ON CONFLICT (collection, key) DO UPDATE SET
        document = excluded.document,
        version = excluded.version,
        tie = excluded.tie,
        detail = excluded.detail
    WHERE (t.version, t.tie) < (
        coalesce((excluded.detail -> 'b' ->> 0)::bigint, excluded.version),
        coalesce((excluded.detail -> 'b' ->> 1)::bigint, excluded.tie)
    )
    RETURNING collection, key
)
SELECT d.collection, d.key
FROM unnest(%(collections)s, %(keys)s) AS d (collection, key)
WHERE (SELECT count(*) FROM written) < cardinality(%(keys)s)
  AND NOT EXISTS (SELECT FROM written AS w WHERE w.collection = d.collection AND w.key = d.key);

-- name: patch
-- Deltas of patches alone, all above everything that is stored. A field that is in the detail but not
-- in the document is removed.
WITH written AS (
    INSERT INTO {documents} AS t (collection, key, document, version, tie, detail)
    SELECT d.collection, d.key, d.document::jsonb, d.version, d.tie, d.detail::jsonb
    FROM unnest(
        %(collections)s, %(keys)s, %(documents)s, %(versions)s, %(ties)s, %(details)s
    ) AS d (collection, key, document, version, tie, detail)
    ORDER BY d.collection COLLATE "C", d.key COLLATE "C"
    ON CONFLICT (collection, key) DO UPDATE SET
        document = (
            coalesce(t.document, jsonb_build_object())
            - ARRAY(SELECT jsonb_object_keys(excluded.detail -> 'f'))
        ) || excluded.document,
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
    RETURNING collection, key
)
SELECT d.collection, d.key
FROM unnest(%(collections)s, %(keys)s) AS d (collection, key)
WHERE (SELECT count(*) FROM written) < cardinality(%(keys)s)
  AND NOT EXISTS (SELECT FROM written AS w WHERE w.collection = d.collection AND w.key = d.key);

-- name: lock
-- Locks records in key order, those that are new by making a row; version 0 stands before every
-- operation. One statement has to do both, or two workers could each hold what the other wants:
-- the update that updates nothing locks the rows that exist.
INSERT INTO {documents} AS t (collection, key, version, tie)
SELECT d.collection, d.key, 0, 0
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text)
ORDER BY d.collection COLLATE "C", d.key COLLATE "C"
ON CONFLICT (collection, key) DO UPDATE SET version = t.version WHERE false;

-- name: read
-- What is remembered of locked records, with the present values of the fields that are to be
-- incremented.
SELECT
    t.collection, t.key, t.version, t.tie, t.detail, t.floor,
    (
        SELECT jsonb_object_agg(f.name, t.document -> f.name)
        FROM unnest(d.fields) AS f (name)
        WHERE t.document ? f.name
    )
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text, fields text[])
JOIN {documents} AS t ON t.collection = d.collection AND t.key = d.key;

-- name: recall
-- What is remembered of records, for a look that locks nothing.
SELECT t.collection, t.key, t.version, t.tie, t.detail
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text)
JOIN {documents} AS t ON t.collection = d.collection AND t.key = d.key;

-- name: present
-- Records as they are now, for a look that locks nothing.
SELECT t.key, t.document::text, t.version, t.tie, t.detail
FROM {documents} AS t
WHERE t.collection = %(collection)s AND t.key = ANY(%(keys)s);

-- name: write
-- Writes resolved changes to locked records.
UPDATE {documents} AS t SET
    document = CASE
        WHEN d.gone THEN NULL
        WHEN d.replace THEN (
            SELECT coalesce(jsonb_object_agg(f.name, f.value), jsonb_build_object())
            FROM jsonb_each(t.document) AS f (name, value)
            WHERE f.name = ANY(d.keep)
        ) || d.sets
        ELSE (coalesce(t.document, jsonb_build_object()) - d.removes) || d.sets
    END,
    version = d.version,
    tie = d.tie,
    detail = d.detail
FROM jsonb_to_recordset(%(records)s::jsonb) AS d (
    collection text, key text, gone boolean, replace boolean, keep text[], removes text[],
    sets jsonb, version bigint, tie bigint, detail jsonb
)
WHERE t.collection = d.collection AND t.key = d.key;
