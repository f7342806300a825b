-- What people did: one row for each act, written in the transaction that does it. Rows are only
-- ever added: each has an HMAC over the one before and itself, with a key that is not in here.

CREATE TABLE {schema}.audit (
    -- from 1, without gaps
    number bigint PRIMARY KEY CHECK (number > 0),
    at timestamptz(3) NOT NULL,
    actor text COLLATE "C" NOT NULL,
    -- such as dlq.discard
    verb text COLLATE "C" NOT NULL,
    -- what it was done to: an id, a fingerprint, a filter
    subject text NOT NULL,
    reason text NOT NULL,
    -- as it was written, because the HMAC is about it
    details json NOT NULL,
    -- tells which key the HMAC was made with
    key_id text COLLATE "C" NOT NULL,
    mac bytea NOT NULL
);

CREATE FUNCTION {schema}.audit_stays() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'The audit is append-only: nothing in it is changed or deleted.'
        USING ERRCODE = 'insufficient_privilege';
END
$body$;

CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.audit
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.audit_stays();

-- Also for sessions that call themselves replicas.
ALTER TABLE {schema}.audit ENABLE ALWAYS TRIGGER audit_stays;
