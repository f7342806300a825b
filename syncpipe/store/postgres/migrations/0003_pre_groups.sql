-- Groups of operations: who was applied, which ended dead, and what undoes the applied then.

-- Members: one row for each operation, target and record.
CREATE TABLE {schema}.group_members (
    group_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    target text COLLATE "C" NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    entered_at timestamptz NOT NULL DEFAULT now(),
    -- when it was known that the target has its effect, and its bytes from then on
    applied_at timestamptz,
    priority text COLLATE "C" NOT NULL,
    raw bytea,
    -- when somebody is to undo it: its group ended dead; while it is lent, when that ends
    due timestamptz,
    -- how often it was lent
    tries integer NOT NULL DEFAULT 0,
    -- when what undoes it was scheduled, or that there is nothing to do
    compensated_at timestamptz,
    PRIMARY KEY (group_id, operation_id, target, collection, key)
) WITH (fillfactor = 70);

CREATE INDEX group_members_due ON {schema}.group_members (due)
    WHERE due IS NOT NULL AND applied_at IS NOT NULL AND compensated_at IS NULL;

CREATE INDEX group_members_age ON {schema}.group_members (collection, entered_at);

CREATE TABLE {schema}.group_deaths (
    group_id uuid PRIMARY KEY,
    -- the member that was given up, and why
    operation_id uuid NOT NULL,
    code text COLLATE "C" NOT NULL,
    died_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX group_deaths_age ON {schema}.group_deaths (recorded_at);

-- What undoes an operation: the same at all its targets.
CREATE TABLE {schema}.compensations (
    group_id uuid NOT NULL,
    operation_id uuid NOT NULL,
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- the undoing operation's id, record, urgency and bytes; NULL: there is nothing to do
    undoing_id uuid,
    undoing_collection text COLLATE "C",
    undoing_key text COLLATE "C",
    priority text COLLATE "C",
    raw bytea,
    PRIMARY KEY (group_id, operation_id, collection, key)
);

-- Members that wait are due when their group ends dead.
ALTER TABLE {schema}.scheduled ADD COLUMN group_id uuid;

CREATE INDEX scheduled_group ON {schema}.scheduled (group_id) WHERE group_id IS NOT NULL;
