-- What people do with dead letters.

ALTER TABLE {schema}.dead_letters
    -- the one that an edited operation took the place of, and the one that took this one's place
    ADD COLUMN edited_from uuid,
    ADD COLUMN edited_to uuid,
    -- the replay that took it last
    ADD COLUMN replay uuid,
    -- who gave it its state, why, and when; NULL while it has the one that it came with
    ADD COLUMN changed_by text,
    ADD COLUMN reason text,
    ADD COLUMN changed timestamptz;

-- Collecting asks which keys have to be kept: those of what is open have an index, and these are
-- the others that can be sent again. What is recorded is open, so recording does not pay for it.
CREATE INDEX dead_letters_put_away ON {schema}.dead_letters (target, collection)
    WHERE state IN ('replaying', 'discarded');

-- Replays ask for what they took; what no replay took is not in it.
CREATE INDEX dead_letters_replay ON {schema}.dead_letters (replay) WHERE replay IS NOT NULL;

-- Causes that are left out of lists for a while.
CREATE TABLE {schema}.mutes (
    fingerprint text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL
);
