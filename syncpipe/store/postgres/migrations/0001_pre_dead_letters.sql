-- What was given up: one row for each operation and target, or for each message and target where no
-- operation could be read.

CREATE TABLE {schema}.dead_letters (
    -- made from the target and the operation's id and record, or the SHA-256 of the raw bytes
    id uuid PRIMARY KEY,
    -- open
    state text COLLATE "C" NOT NULL DEFAULT 'open',
    -- the operation's bytes exactly as sent, or the whole message
    raw bytea NOT NULL,
    -- what the bytes say, with the tags of document mode; NULL where they, or JSON, cannot say it
    decoded jsonb,
    operation_id uuid,
    target text COLLATE "C",
    queue text COLLATE "C" NOT NULL,
    collection text COLLATE "C",
    key text COLLATE "C",
    version bigint,
    -- why it was given up the last time
    stage text COLLATE "C" NOT NULL,
    code text COLLATE "C" NOT NULL,
    message text NOT NULL,
    sqlstate text COLLATE "C",
    "constraint" text COLLATE "C",
    -- of HTTP
    status integer,
    endpoint text,
    -- [at_ms, worker, duration_ms, code, message] of each try that is known, the oldest first
    attempts jsonb NOT NULL,
    -- what it has in common with others of the same cause
    fingerprint text COLLATE "C" NOT NULL,
    -- W3C traceparent of the producer
    trace text COLLATE "C",
    worker text NOT NULL,
    first_seen timestamptz NOT NULL,
    last_seen timestamptz NOT NULL,
    -- how often it was given up
    times_seen integer NOT NULL DEFAULT 1
);

-- Lists begin with the newest.
CREATE INDEX dead_letters_age ON {schema}.dead_letters (last_seen, id);

-- Collecting asks which keys have to be kept.
CREATE INDEX dead_letters_keys ON {schema}.dead_letters (target, collection) WHERE state = 'open';

CREATE INDEX dead_letters_operation ON {schema}.dead_letters (operation_id);
