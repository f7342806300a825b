-- syncpipe's own tables in a target's database. Every statement may run again and again.
--
-- documents    document mode: one row per record, with its memory; the row stays, emptied, after a delete
-- records      table mode: the memory of the user's rows; the row stays after a delete
-- increments   ledger of the increments that were counted
-- collections  floor of each collection: at or below it, ledger and tombstones were collected

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('syncpipe target init', 0));

-- name: schema
CREATE SCHEMA IF NOT EXISTS {schema};

-- name: documents
CREATE TABLE IF NOT EXISTS {documents} (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- NULL when the record does not exist
    document jsonb,
    -- stamp of the newest operation
    version bigint NOT NULL,
    tie bigint NOT NULL,
    -- stamps of single fields, where they differ from the base; NULL in the common case
    detail jsonb,
    -- this record's own floor, while a dead letter is open for it
    floor bigint,
    PRIMARY KEY (collection, key)
) WITH (fillfactor = 85);

-- name: documents_tombstones
CREATE INDEX IF NOT EXISTS documents_tombstones ON {documents} (collection, version)
WHERE document IS NULL;

-- name: documents_floors
CREATE INDEX IF NOT EXISTS documents_floors ON {documents} (collection) WHERE floor IS NOT NULL;

-- name: records
CREATE TABLE IF NOT EXISTS {records} (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- whether the row was deleted
    gone boolean NOT NULL,
    version bigint NOT NULL,
    tie bigint NOT NULL,
    detail jsonb,
    floor bigint,
    PRIMARY KEY (collection, key)
) WITH (fillfactor = 85);

-- name: records_tombstones
CREATE INDEX IF NOT EXISTS records_tombstones ON {records} (collection, version) WHERE gone;

-- name: records_floors
CREATE INDEX IF NOT EXISTS records_floors ON {records} (collection) WHERE floor IS NOT NULL;

-- name: increments
CREATE TABLE IF NOT EXISTS {increments} (
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    version bigint NOT NULL,
    tie bigint NOT NULL,
    -- amounts by field, as decimal text
    amounts jsonb NOT NULL,
    PRIMARY KEY (collection, key, id)
);

-- name: increments_age
CREATE INDEX IF NOT EXISTS increments_age ON {increments} (collection, version);

-- name: collections
CREATE TABLE IF NOT EXISTS {collections} (
    collection text COLLATE "C" PRIMARY KEY,
    floor bigint NOT NULL
);
