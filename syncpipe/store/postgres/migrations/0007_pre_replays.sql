-- Replays: jobs that send dead letters again, and what became of each.

CREATE TABLE {schema}.replays (
    id uuid PRIMARY KEY,
    -- the order in which they were made
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- running, canary, paused, finished, cancelled
    state text COLLATE "C" NOT NULL,
    -- what it is to do
    filter text NOT NULL,
    most integer,
    rate double precision,
    canary integer NOT NULL,
    stop_on_error_rate double precision NOT NULL,
    as_of_now boolean NOT NULL,
    -- who made it, and why
    actor text NOT NULL,
    reason text NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    ended timestamptz,
    -- how many dead letters it took
    total integer NOT NULL,
    -- why it paused itself, or what it waits for
    stopped text NOT NULL DEFAULT '',
    -- outcomes, and dead ones of these, that it no longer counts since somebody resumed it
    forgiven integer NOT NULL DEFAULT 0,
    forgiven_dead integer NOT NULL DEFAULT 0,
    -- how many have which outcome, once nothing more is to be done; NULL: they have to be counted
    tally jsonb,
    -- when somebody is to go on with it; while it is lent, when that ends, and whom it is lent to
    due timestamptz NOT NULL DEFAULT now(),
    token uuid,
    -- what was sent by now would have been sent by then, at its rate
    paced timestamptz NOT NULL DEFAULT now(),
    -- when it was last seen to get on: outcomes came, or something was sent
    moved timestamptz NOT NULL DEFAULT now(),
    -- how many outcomes there were then
    seen integer NOT NULL DEFAULT 0
);

-- What is paused waits for people; what is tallied is over.
CREATE INDEX replays_due ON {schema}.replays (due) WHERE state <> 'paused' AND tally IS NULL;

-- Dead letters that a replay took, in the order in which it sends them.
CREATE TABLE {schema}.replay_items (
    replay uuid NOT NULL,
    -- from 1 on
    number integer NOT NULL,
    letter uuid NOT NULL,
    -- the version that it is sent with, where that is not its own
    version bigint,
    -- when the broker confirmed it the last time, and how often it did
    sent timestamptz,
    tries smallint NOT NULL DEFAULT 0,
    -- what became of it: the word of an outcome; sent, where nothing more is heard; skipped, where
    -- it was no longer the replay's to send; and the code of an error
    outcome text COLLATE "C",
    code text COLLATE "C",
    PRIMARY KEY (replay, number)
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX replay_items_letter ON {schema}.replay_items (letter, replay);

-- The replay that waits for its outcome.
ALTER TABLE {schema}.scheduled ADD COLUMN replay uuid;

CREATE INDEX scheduled_replay ON {schema}.scheduled (replay) WHERE replay IS NOT NULL;
