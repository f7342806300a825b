-- The audit: append-only. {entry} is the list of columns that make a record.

-- name: lock
-- One at a time, until the transaction ends: numbers have no gaps, and each follows the last.
SELECT pg_advisory_xact_lock(hashtextextended('syncpipe audit ' || %(schema)s::text, 0));

-- name: last
-- A statement of its own, so that it sees what the one before has committed; and the time.
SELECT coalesce(last.number, 0), coalesce(encode(last.mac, 'hex'), ''), last.key_id,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM (SELECT) AS always
LEFT JOIN (
    SELECT number, mac, key_id FROM {schema}.audit ORDER BY number DESC LIMIT 1
) AS last ON true;

-- name: insert
INSERT INTO {schema}.audit (number, at, actor, verb, subject, reason, details, key_id, mac)
VALUES (
    %(number)s, to_timestamp(%(at_ms)s::bigint / 1000.0), %(actor)s, %(verb)s, %(subject)s,
    %(reason)s, %(details)s::json, %(key_id)s, decode(%(mac)s, 'hex')
);

-- name: entry
number, (extract(epoch FROM at) * 1000)::bigint, actor, verb, subject, reason, details::text,
key_id, encode(mac, 'hex')

-- name: part
-- With ties, because whoever took the primary key away may have put in a number twice.
SELECT {entry} FROM {schema}.audit
WHERE %(after)s::bigint IS NULL OR number > %(after)s
ORDER BY number
FETCH FIRST (%(limit)s::bigint) ROWS WITH TIES;

-- name: latest
SELECT {entry} FROM {schema}.audit
WHERE (%(before)s::bigint IS NULL OR number < %(before)s)
  AND (%(actor)s::text IS NULL OR actor = %(actor)s)
  AND (%(verb)s::text IS NULL OR verb = %(verb)s OR starts_with(verb, %(verb)s || '.'))
  AND (%(since_ms)s::bigint IS NULL OR at >= to_timestamp(%(since_ms)s / 1000.0))
ORDER BY number DESC
LIMIT %(limit)s;
