-- What a target is to get later: one row for each operation, target and record.

CREATE TABLE {schema}.scheduled (
    operation_id uuid NOT NULL,
    target text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    priority text COLLATE "C" NOT NULL,
    -- the operation's bytes exactly as sent
    raw bytea NOT NULL,
    -- how many attempts there were, and [at_ms, worker, duration_ms, code, message] of each
    tries integer NOT NULL,
    attempts jsonb NOT NULL,
    -- W3C traceparent of the producer
    trace text COLLATE "C",
    -- when it is to be sent on; while it is lent, when that ends
    due timestamptz NOT NULL,
    -- whom it is lent to
    token uuid,
    PRIMARY KEY (operation_id, target, collection, key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- What is due is asked for target by target: what nobody takes any more holds up nobody.
CREATE INDEX scheduled_due ON {schema}.scheduled (target, due);
