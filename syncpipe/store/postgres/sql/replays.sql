-- Replays. Rows are locked in one order by everybody: dead letters by id, items by number, replays.

-- name: order
-- The order in which letters are sent: of each record by version and tie, what has none last.
dead_letters.version, substring(uuid_send(dead_letters.operation_id) FROM 9), dead_letters.id

-- name: now_ms
(extract(epoch FROM clock_timestamp()) * 1000)::bigint

-- name: take_time
-- For this transaction: of very many letters it may take minutes.
SELECT set_config('statement_timeout', '10min', true);

-- name: plan
WITH wanted AS MATERIALIZED (
    SELECT dead_letters.id, target, collection, key, code, operation_id,
           (decoded ->> 'expires_ms')::bigint AS expires_ms,
           row_number() OVER (ORDER BY {order}) AS number
    FROM {schema}.dead_letters
    WHERE dead_letters.state = 'open' AND {condition}
    ORDER BY {order}
    LIMIT %(most)s::integer
)
SELECT count(*),
       count(DISTINCT (collection, key)) FILTER (WHERE operation_id IS NOT NULL),
       (SELECT jsonb_object_agg(name, number) FROM (
            SELECT coalesce(target, '') AS name, count(*) AS number FROM wanted GROUP BY 1
        ) AS t),
       (SELECT jsonb_object_agg(code, number) FROM (
            SELECT code, count(*) AS number FROM wanted GROUP BY 1
        ) AS c),
       count(*) FILTER (WHERE operation_id IS NULL),
       count(*) FILTER (
           WHERE expires_ms <= {now_ms}
           OR (%(declared)s AND target IS NULL)
           OR (%(declared)s AND operation_id IS NULL AND target <> ALL (%(targets)s::text[]))
           OR (
               %(declared)s AND operation_id IS NOT NULL AND NOT EXISTS (
                   SELECT FROM unnest(%(of_target)s::text[], %(collections)s::text[])
                       AS d (target, collection)
                   WHERE d.target = wanted.target AND d.collection = wanted.collection
               )
           )
       ),
       (SELECT array_agg(id::text ORDER BY number) FROM wanted WHERE number <= %(first)s),
       coalesce(bool_or(collection = ANY (%(sources)s::text[])), false)
FROM wanted;

-- name: take_letters
-- Of a version that does not lie in the future, as of now is newer; of another, just now.
WITH wanted AS MATERIALIZED (
    SELECT dead_letters.id
    FROM {schema}.dead_letters
    WHERE dead_letters.state = 'open' AND {condition}
    ORDER BY {order}
    LIMIT %(most)s::integer
),
held AS MATERIALIZED (
    SELECT dead_letters.*
    FROM {schema}.dead_letters
    WHERE dead_letters.id IN (SELECT w.id FROM wanted AS w) AND dead_letters.state = 'open'
    ORDER BY dead_letters.id
    FOR UPDATE
),
numbered AS (
    SELECT dead_letters.id, dead_letters.version, dead_letters.operation_id IS NOT NULL AS readable,
           row_number() OVER (ORDER BY {order}) AS number,
           greatest(
               %(now_ms)s::bigint, (dead_letters.decoded ->> 'not_before_ms')::bigint
           ) AS due_ms
    FROM held AS dead_letters
),
taken AS (
    UPDATE {schema}.dead_letters AS d
    SET state = 'replaying', replay = %(id)s::uuid, changed_by = %(actor)s, reason = %(reason)s,
        changed = now()
    FROM held AS h
    WHERE d.id = h.id
)
INSERT INTO {schema}.replay_items (replay, number, letter, version)
SELECT %(id)s::uuid, n.number, n.id,
       CASE WHEN %(as_of_now)s AND n.readable THEN greatest(
           (n.due_ms << 16) + n.number,
           CASE WHEN n.version >> 16 <= n.due_ms + %(ahead_ms)s THEN n.version + 1 END
       ) END
FROM numbered AS n;

-- name: has_sources
SELECT EXISTS (
    SELECT FROM {schema}.replay_items AS i
    JOIN {schema}.dead_letters AS d ON d.id = i.letter
    WHERE i.replay = %(id)s::uuid AND d.collection = ANY (%(sources)s::text[])
);

-- name: insert
INSERT INTO {schema}.replays (
    id, state, filter, most, rate, canary, stop_on_error_rate, as_of_now, actor, reason, total
)
VALUES (
    %(id)s::uuid, %(state)s, %(filter)s, %(most)s, %(rate)s, %(canary)s, %(stop_on_error_rate)s,
    %(as_of_now)s, %(actor)s, %(reason)s, %(total)s
);

-- name: replay
r.id::text, r.state, r.filter, r.most, r.rate, r.canary, r.stop_on_error_rate, r.as_of_now, r.actor,
r.reason, (extract(epoch FROM r.created) * 1000)::bigint,
(extract(epoch FROM r.ended) * 1000)::bigint, r.total, r.stopped, r.tally

-- name: latest
SELECT {replay}
FROM {schema}.replays AS r
WHERE (%(first)s::uuid IS NULL OR r.id BETWEEN %(first)s AND %(last)s::uuid)
  AND (NOT %(active)s OR r.state NOT IN ('finished', 'cancelled'))
ORDER BY r.number DESC
LIMIT %(limit)s;

-- name: tallies
SELECT i.replay::text, coalesce(i.outcome, ''), i.sent IS NOT NULL, count(*)
FROM {schema}.replay_items AS i
WHERE i.replay = ANY (%(ids)s::uuid[])
GROUP BY 1, 2, 3;

-- name: pause
UPDATE {schema}.replays AS r
SET state = 'paused', stopped = ''
WHERE r.id = %(id)s::uuid AND r.state IN ('running', 'canary');

-- name: resume
-- What has died until now stops it no longer.
UPDATE {schema}.replays AS r
SET state = CASE WHEN EXISTS (
        SELECT FROM {schema}.replay_items AS i
        WHERE i.replay = r.id AND i.number <= r.canary AND i.outcome IS NULL
    ) THEN 'canary' ELSE 'running' END,
    stopped = '', due = now(), token = NULL, moved = now(),
    (forgiven, forgiven_dead) = (
        SELECT count(*), count(*) FILTER (WHERE i.outcome = ANY (%(dead)s))
        FROM {schema}.replay_items AS i
        WHERE i.replay = r.id AND i.outcome IS NOT NULL
    )
WHERE r.id = %(id)s::uuid AND r.state = 'paused';

-- name: lock_unsent
SELECT count(*) FROM (
    SELECT FROM {schema}.dead_letters AS d
    WHERE d.id IN (
        SELECT i.letter FROM {schema}.replay_items AS i
        WHERE i.replay = %(id)s::uuid AND i.sent IS NULL AND i.outcome IS NULL
    )
    ORDER BY d.id
    FOR UPDATE
) AS l;

-- name: open_unsent
UPDATE {schema}.dead_letters AS d
SET state = 'open', changed_by = NULL, reason = NULL, changed = NULL
FROM {schema}.replay_items AS i
WHERE i.replay = %(id)s::uuid AND i.sent IS NULL AND i.outcome IS NULL
  AND d.id = i.letter AND d.state = 'replaying' AND d.replay IS NOT DISTINCT FROM i.replay;

-- name: cancel
UPDATE {schema}.replays AS r
SET state = 'cancelled', ended = now(), stopped = '', due = now()
WHERE r.id = %(id)s::uuid AND r.state IN ('running', 'canary', 'paused');

-- name: old
-- What is not tallied may yet note outcomes.
SELECT r.id::text
FROM {schema}.replays AS r
WHERE r.state IN ('finished', 'cancelled') AND r.tally IS NOT NULL
  AND r.ended < now() - %(keep_s)s::float8 * interval '1 second'
ORDER BY r.number
LIMIT %(limit)s::bigint;

-- name: forget_items
DELETE FROM {schema}.replay_items WHERE replay = ANY (%(ids)s::uuid[]);

-- name: forget
DELETE FROM {schema}.replays WHERE id = ANY (%(ids)s::uuid[]) AND tally IS NOT NULL;

-- name: lock_letters
SELECT count(*) FROM (
    SELECT FROM {schema}.dead_letters AS d
    WHERE d.id = ANY (%(letters)s::uuid[])
    ORDER BY d.id
    FOR UPDATE
) AS l;

-- name: report
WITH told AS (
    SELECT DISTINCT ON (t.replay, t.letter) t.*
    FROM unnest(
        %(replays)s::uuid[], %(letters)s::uuid[], %(outcomes)s::text[], %(codes)s::text[],
        %(good)s::boolean[]
    ) AS t (replay, letter, outcome, code, good)
    ORDER BY t.replay, t.letter, t.good DESC
),
held AS MATERIALIZED (
    SELECT i.replay, i.number, t.outcome, t.code, t.good
    FROM {schema}.replay_items AS i
    JOIN told AS t ON t.replay = i.replay AND t.letter = i.letter
    WHERE i.outcome IS NULL OR (t.good AND i.outcome = ANY (%(bad)s))
    ORDER BY i.replay, i.number
    FOR UPDATE OF i
),
noted AS (
    UPDATE {schema}.replay_items AS i
    SET outcome = h.outcome, code = h.code
    FROM held AS h
    WHERE i.replay = h.replay AND i.number = h.number
    RETURNING i.replay, i.letter, h.good
),
recounted AS (
    UPDATE {schema}.replays AS r
    SET tally = NULL, due = now()
    FROM (SELECT DISTINCT n.replay FROM noted AS n) AS n
    WHERE r.id = n.replay AND r.tally IS NOT NULL
)
UPDATE {schema}.dead_letters AS d
SET state = CASE WHEN n.good THEN 'resolved' ELSE 'open' END,
    changed_by = CASE WHEN n.good THEN d.changed_by END,
    reason = CASE WHEN n.good THEN d.reason END,
    changed = CASE WHEN n.good THEN now() END
FROM noted AS n
-- Found by its id, never among all that the replay took: that is what "distinct" is for.
WHERE d.id = n.letter AND d.replay IS NOT DISTINCT FROM n.replay
  AND (d.state = 'replaying' OR (d.state = 'open' AND n.good));

-- name: take
UPDATE {schema}.replays AS r
SET token = %(token)s::uuid, due = now() + %(lease_ms)s * interval '1 millisecond'
WHERE r.id = (
    SELECT f.id FROM {schema}.replays AS f
    WHERE f.state <> 'paused' AND f.tally IS NULL AND f.due <= now()
    ORDER BY f.due
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING {replay}, r.forgiven, r.forgiven_dead, r.seen,
          extract(epoch FROM now() - r.paced)::float8, extract(epoch FROM now() - r.moved)::float8;

-- name: progress
SELECT coalesce(i.outcome, ''), i.sent IS NOT NULL, count(*),
       count(*) FILTER (WHERE i.number <= %(canary)s), min(i.number)
FROM {schema}.replay_items AS i
WHERE i.replay = %(id)s::uuid
GROUP BY 1, 2;

-- name: scheduled
SELECT count(*) FROM {schema}.scheduled WHERE replay = %(id)s::uuid;

-- name: seen
UPDATE {schema}.replays AS r
SET seen = %(seen)s, moved = now()
WHERE r.id = %(id)s::uuid AND r.seen <> %(seen)s;

-- name: items
SELECT i.number, i.letter::text, d.raw, d.queue, d.operation_id IS NOT NULL, i.version, d.trace,
       i.tries, d.state = 'replaying' AND d.replay = %(id)s::uuid
FROM (
    SELECT i.*, sum(octet_length(d.raw)) OVER (ORDER BY i.number) AS until,
           octet_length(d.raw) AS bytes
    FROM (
        SELECT i.number, i.letter, i.version, i.tries
        FROM {schema}.replay_items AS i
        WHERE i.replay = %(id)s::uuid AND i.outcome IS NULL AND i.sent IS NULL
          AND i.number > %(after)s AND i.number <= %(last)s
        ORDER BY i.number
        LIMIT %(limit)s
    ) AS i
    LEFT JOIN {schema}.dead_letters AS d ON d.id = i.letter
) AS i
LEFT JOIN {schema}.dead_letters AS d ON d.id = i.letter
WHERE i.until IS NULL OR i.until <= %(max_bytes)s OR i.until = i.bytes
ORDER BY i.number;

-- name: lost
-- What waits in the schedule is not lost.
SELECT f.number, f.letter, f.raw, f.queue, true, f.version, f.trace, f.tries, f.held
FROM (
    SELECT i.number, i.letter::text, d.raw, d.queue, i.version, d.trace, i.tries,
           d.state = 'replaying' AND d.replay = i.replay AS held,
           sum(octet_length(d.raw)) OVER (ORDER BY i.number) AS until
    FROM {schema}.replay_items AS i
    LEFT JOIN {schema}.dead_letters AS d ON d.id = i.letter
    WHERE i.replay = %(id)s::uuid AND i.outcome IS NULL
      AND i.sent < now() - %(silent_ms)s * interval '1 millisecond'
      AND NOT EXISTS (
          SELECT FROM {schema}.scheduled AS s
          WHERE s.operation_id = d.operation_id AND s.target = d.target
            AND s.collection = d.collection AND s.key = d.key
      )
    ORDER BY i.number
    LIMIT %(limit)s
) AS f
WHERE f.until IS NULL OR f.until <= %(max_bytes)s OR f.until = octet_length(f.raw)
ORDER BY f.number;

-- name: lock_items
-- Statistics do not know a replay that is new, so that no join may depend on them.
SELECT count(*) FROM (
    SELECT FROM {schema}.replay_items AS i
    WHERE i.replay = %(id)s::uuid AND i.number = ANY (%(numbers)s::integer[])
    ORDER BY i.number
    FOR UPDATE
) AS l;

-- name: skip
UPDATE {schema}.replay_items AS i
SET outcome = %(skipped)s
WHERE i.replay = %(id)s::uuid AND i.number = ANY (%(numbers)s::integer[]) AND i.outcome IS NULL;

-- name: resolve
-- Messages of which nothing more is heard; who has died again meanwhile is open.
UPDATE {schema}.dead_letters AS d
SET state = 'resolved', changed = now()
FROM (
    SELECT l.id FROM {schema}.dead_letters AS l
    WHERE l.id = ANY (%(letters)s::uuid[]) AND l.state = 'replaying'
      AND l.replay IS NOT DISTINCT FROM %(id)s::uuid
    ORDER BY l.id
    FOR UPDATE
) AS l
WHERE d.id = l.id;

-- name: mark
UPDATE {schema}.replay_items AS i
SET sent = now(), tries = least(i.tries + 1, 32767),
    outcome = CASE
        WHEN i.outcome IS NULL AND i.number = ANY (%(unheard)s::integer[]) THEN %(word)s
        ELSE i.outcome
    END
WHERE i.replay = %(id)s::uuid AND i.number = ANY (%(numbers)s::integer[]);

-- name: sent
UPDATE {schema}.replays AS r
SET due = now() + %(lease_ms)s * interval '1 millisecond', moved = now(),
    paced = CASE WHEN r.rate IS NULL THEN r.paced ELSE
        greatest(r.paced, now() - %(burst_ms)s * interval '1 millisecond')
        + %(number)s / r.rate * interval '1 second'
    END
WHERE r.id = %(id)s::uuid AND r.token = %(token)s::uuid AND r.state = %(state)s
RETURNING true;

-- name: waits_for
SELECT d.target, count(*)
FROM {schema}.replay_items AS i
JOIN {schema}.dead_letters AS d ON d.id = i.letter
WHERE i.replay = %(id)s::uuid AND i.outcome IS NULL AND i.sent IS NOT NULL AND d.target IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM {schema}.scheduled AS s
      WHERE s.operation_id = d.operation_id AND s.target = d.target
        AND s.collection = d.collection AND s.key = d.key
  )
GROUP BY 1
ORDER BY 1;

-- name: end
UPDATE {schema}.replays AS r
SET state = %(to)s, due = now() + %(after_ms)s * interval '1 millisecond', token = NULL,
    stopped = %(stopped)s,
    ended = CASE WHEN %(over)s THEN coalesce(r.ended, now()) ELSE r.ended END,
    tally = CASE WHEN %(over)s THEN %(tally)s::jsonb END
WHERE r.id = %(id)s::uuid AND r.token = %(token)s::uuid AND r.state = %(state)s;

-- name: release
UPDATE {schema}.replays AS r
SET due = now(), token = NULL
WHERE r.id = %(id)s::uuid AND r.token = %(token)s::uuid;
