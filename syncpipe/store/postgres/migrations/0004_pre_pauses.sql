-- What people want of targets: one row for each change, the newest holds. Few are ever made.

CREATE TABLE {schema}.pauses (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target text COLLATE "C" NOT NULL,
    -- open: it is left alone; closed: it is called whatever fails; none: that is over
    hold text COLLATE "C" NOT NULL,
    -- login name and host of who wanted it, and why
    by text NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX pauses_newest ON {schema}.pauses (target, number DESC);
