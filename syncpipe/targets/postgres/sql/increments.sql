-- The ledger of increments, and the floors of collections.

-- name: floors
-- Held until the end of the transaction: the floor cannot rise under our feet.
SELECT collection, floor FROM {collections}
WHERE collection = ANY(%(collections)s)
ORDER BY collection
FOR SHARE;

-- name: declare
-- Makes the floors that do not exist yet: without a row there is nothing to hold.
INSERT INTO {collections} (collection, floor)
SELECT c.name, 0 FROM unnest(%(collections)s::text[]) AS c (name)
ORDER BY c.name COLLATE "C"
ON CONFLICT (collection) DO NOTHING;

-- name: known
SELECT i.collection, i.key, i.id
FROM jsonb_to_recordset(%(increments)s::jsonb) AS d (collection text, key text, id uuid)
JOIN {increments} AS i ON i.collection = d.collection AND i.key = d.key AND i.id = d.id;

-- name: history
SELECT i.collection, i.key, i.id, i.version, i.tie, i.amounts
FROM jsonb_to_recordset(%(keys)s::jsonb) AS d (collection text, key text, since bigint)
JOIN {increments} AS i
    ON i.collection = d.collection AND i.key = d.key AND i.version >= d.since;

-- name: count
INSERT INTO {increments} (collection, key, id, version, tie, amounts)
SELECT d.collection, d.key, d.id, d.version, d.tie, d.amounts
FROM jsonb_to_recordset(%(increments)s::jsonb) AS d (
    collection text, key text, id uuid, version bigint, tie bigint, amounts jsonb
);
