-- What people want of targets.

-- name: lock
-- One at a time, so that nobody's wish is lost between another's look and change.
LOCK TABLE {schema}.pauses IN SHARE ROW EXCLUSIVE MODE;

-- name: insert
-- Nothing, where the newest row of the target wants the same; without any, nothing is wanted.
INSERT INTO {schema}.pauses (target, hold, by, reason)
SELECT %(target)s, %(hold)s, %(by)s, %(reason)s
WHERE %(hold)s IS DISTINCT FROM coalesce(
    (SELECT p.hold FROM {schema}.pauses AS p
     WHERE p.target = %(target)s ORDER BY p.number DESC LIMIT 1),
    'none'
);

-- name: current
SELECT DISTINCT ON (target)
    target, hold, by, reason, (extract(epoch FROM since) * 1000)::bigint
FROM {schema}.pauses
WHERE %(target)s::text IS NULL OR target = %(target)s
ORDER BY target, number DESC;
