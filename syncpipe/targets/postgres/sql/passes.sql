-- A pass: records tried each for itself, in one transaction.

-- name: check_now
-- What a constraint puts off until the commit is checked now, so that it harms no other record.
SET CONSTRAINTS ALL IMMEDIATE;
