-- name: refuse
-- From now on the target refuses documents with a field `poison`, as a table of users refuses a row.
ALTER TABLE syncpipe.documents ADD CONSTRAINT no_poison CHECK (NOT document ? 'poison')
