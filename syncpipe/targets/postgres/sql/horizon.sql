-- Collection of tombstones and ledger entries older than the horizon. {memory} is the table that holds
-- the collection's memory, {tombstone} the condition of a deleted record in it.

-- name: begin
-- Takes the floor's row, making it first: applying workers hold it shared.
INSERT INTO {collections} (collection, floor) VALUES (%(collection)s, 0)
ON CONFLICT (collection) DO NOTHING;

-- name: floor
SELECT floor FROM {collections} WHERE collection = %(collection)s FOR UPDATE;

-- name: oldest
-- The version up to which one step may collect: at most %(limit)s tombstones and ledger entries.
SELECT least(
    %(cutoff)s::bigint,
    (
        SELECT version FROM {memory}
        WHERE collection = %(collection)s AND {tombstone} AND floor IS NULL
        ORDER BY version OFFSET %(limit)s LIMIT 1
    ),
    (
        SELECT version FROM {increments}
        WHERE collection = %(collection)s AND NOT (key = ANY(%(keys)s::text[]))
        ORDER BY version OFFSET %(limit)s LIMIT 1
    )
);

-- name: keep
-- Records with an open dead letter keep the floor that was theirs until now.
INSERT INTO {memory} AS t ({columns})
SELECT {values} FROM unnest(%(keys)s::text[]) AS k (key)
ORDER BY k.key COLLATE "C"
ON CONFLICT (collection, key) DO UPDATE SET floor = coalesce(t.floor, excluded.floor);

-- name: release
UPDATE {memory} SET floor = NULL
WHERE collection = %(collection)s AND floor IS NOT NULL AND NOT (key = ANY(%(keys)s::text[]));

-- name: tombstones
-- What is locked is being written by something young, which does not ask for the floor: it may stay.
DELETE FROM {memory}
WHERE collection = %(collection)s AND key IN (
    SELECT key FROM {memory}
    WHERE collection = %(collection)s AND {tombstone} AND floor IS NULL AND version <= %(floor)s
    FOR UPDATE SKIP LOCKED
);

-- name: ledger
DELETE FROM {increments}
WHERE collection = %(collection)s AND version <= %(floor)s
  AND NOT (key = ANY(%(keys)s::text[]));

-- name: raise
UPDATE {collections} SET floor = %(floor)s WHERE collection = %(collection)s AND floor < %(floor)s;

-- name: document_tombstone
document IS NULL

-- name: record_tombstone
gone

-- name: document_columns
collection, key, version, tie, floor

-- name: document_values
%(collection)s, k.key, 0, 0, %(old_floor)s

-- name: record_columns
collection, key, gone, version, tie, floor

-- name: record_values
%(collection)s, k.key, true, 0, 0, %(old_floor)s
