-- What people do with dead letters. {where} is the condition of a filter; it says dead_letters.

-- name: entry
dead_letters.id::text, dead_letters.state, dead_letters.operation_id::text,
dead_letters.collection, dead_letters.key, dead_letters.target, dead_letters.stage,
dead_letters.code, dead_letters.message, dead_letters.sqlstate, dead_letters.constraint,
dead_letters.status, dead_letters.endpoint, dead_letters.fingerprint,
(extract(epoch FROM dead_letters.first_seen) * 1000)::bigint,
(extract(epoch FROM dead_letters.last_seen) * 1000)::bigint, dead_letters.times_seen

-- name: everywhere
true

-- name: behind
(dead_letters.last_seen, dead_letters.id)
    < (to_timestamp(%(after_ms)s::bigint / 1000.0), %(after_id)s::uuid)

-- name: along
-- For this transaction: a page behind another goes along the index of last_seen and id, whatever
-- statistics say. All pages together then look at each letter once, and sort none.
SELECT set_config('enable_sort', 'off', true);

-- name: list
SELECT {columns}
FROM {schema}.dead_letters
WHERE {where} AND {behind}
ORDER BY dead_letters.last_seen DESC, dead_letters.id DESC
LIMIT %(limit)s;

-- name: find
SELECT {whole}
FROM {schema}.dead_letters
WHERE id BETWEEN %(first)s::uuid AND %(last)s::uuid
    OR operation_id BETWEEN %(first)s::uuid AND %(last)s::uuid
ORDER BY last_seen DESC, id DESC
LIMIT %(limit)s;

-- name: count
SELECT count(*) FROM {schema}.dead_letters WHERE {where};

-- name: hours
-- How many hours ago it was given up last.
greatest(0, floor(date_part('epoch', now() - last_seen) / 3600))::integer

-- name: room
-- For this transaction: 100,000 letters are then grouped in memory, which takes a tenth of that.
SELECT set_config('work_mem', '64MB', true)
WHERE pg_size_bytes(current_setting('work_mem')) < pg_size_bytes('64MB');

-- name: causes
-- Records are told from each other by 64 bits: there are not so many that two would have the same.
WITH fitting AS MATERIALIZED (
    SELECT id, fingerprint, hashtextextended(key, hashtextextended(collection, 0)) AS record,
           first_seen, last_seen
    FROM {schema}.dead_letters
    WHERE {where}
),
records AS (
    SELECT fingerprint, record IS NOT NULL AS known, count(*) AS number,
           min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM fitting
    GROUP BY fingerprint, record
),
causes AS (
    SELECT fingerprint, sum(number)::bigint AS number, count(*) FILTER (WHERE known) AS records,
           min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM records
    GROUP BY fingerprint
),
shown AS MATERIALIZED (
    SELECT causes.*, mutes.until
    FROM causes
    LEFT JOIN {schema}.mutes ON mutes.fingerprint = causes.fingerprint AND mutes.until > now()
    WHERE %(muted)s OR mutes.until IS NULL
    ORDER BY number DESC, last_seen DESC, fingerprint
    LIMIT %(limit)s
),
newest AS (
    SELECT DISTINCT ON (fingerprint) fingerprint, fitting.id
    FROM fitting
    JOIN shown USING (fingerprint, last_seen)
    ORDER BY fingerprint, fitting.id DESC
),
hours AS (
    SELECT fingerprint, jsonb_agg(jsonb_build_array(hours, number)) AS hourly
    FROM (
        SELECT fingerprint, {hours} AS hours, count(*) AS number
        FROM fitting
        WHERE last_seen > now() - interval '24 hours'
        GROUP BY 1, 2
    ) AS each_hour
    GROUP BY fingerprint
)
SELECT {columns}, shown.number, shown.records,
       (extract(epoch FROM shown.first_seen) * 1000)::bigint,
       (extract(epoch FROM shown.last_seen) * 1000)::bigint,
       coalesce(hours.hourly, '[]'), (extract(epoch FROM shown.until) * 1000)::bigint
FROM shown
JOIN newest ON newest.fingerprint = shown.fingerprint
JOIN {schema}.dead_letters ON dead_letters.id = newest.id
LEFT JOIN hours ON hours.fingerprint = shown.fingerprint
ORDER BY shown.number DESC, shown.last_seen DESC, shown.fingerprint;

-- name: stats
SELECT state, target, code, hours, count(*), (extract(epoch FROM min(first_seen)) * 1000)::bigint
FROM (
    SELECT state, target, code, first_seen,
           CASE WHEN last_seen > now() - interval '24 hours' THEN {hours} END AS hours
    FROM {schema}.dead_letters
) AS letters
GROUP BY state, target, code, hours;

-- name: lock
-- Those that fit and are in such a state, the newest, locked in one order, so that nobody waits for
-- each other. What changed meanwhile is looked at again.
SELECT id::text
FROM {schema}.dead_letters
WHERE {where} AND dead_letters.state = ANY (%(states)s::text[]) AND {chosen}
ORDER BY dead_letters.id
LIMIT %(limit)s::bigint
FOR UPDATE;

-- name: newest
dead_letters.id IN (
    SELECT dead_letters.id
    FROM {schema}.dead_letters
    WHERE {where} AND dead_letters.state = ANY (%(states)s::text[])
    ORDER BY dead_letters.last_seen DESC, dead_letters.id DESC
    LIMIT %(limit)s
)

-- name: before
-- Put away before then.
coalesce(dead_letters.changed, dead_letters.last_seen)
    < to_timestamp(%(before_ms)s::bigint / 1000.0)

-- name: old
-- Put away so long ago.
coalesce(dead_letters.changed, dead_letters.last_seen)
    < now() - %(keep_s)s::float8 * interval '1 second'

-- name: purgeable
SELECT count(*)
FROM {schema}.dead_letters
WHERE {where} AND dead_letters.state = ANY (%(states)s::text[]) AND {chosen};

-- name: change
UPDATE {schema}.dead_letters
SET state = %(state)s, changed_by = %(actor)s, reason = %(reason)s, changed = now()
WHERE id = ANY (%(ids)s::uuid[]);

-- name: purge
DELETE FROM {schema}.dead_letters WHERE id = ANY (%(ids)s::uuid[]);

-- name: original
SELECT state FROM {schema}.dead_letters WHERE id = %(id)s::uuid FOR UPDATE;

-- name: replace
UPDATE {schema}.dead_letters
SET state = 'edited', edited_to = %(edited_to)s::uuid, changed_by = %(actor)s,
    reason = %(reason)s, changed = now()
WHERE id = %(id)s::uuid;

-- name: mute
INSERT INTO {schema}.mutes (fingerprint, until)
VALUES (%(fingerprint)s, to_timestamp(%(until_ms)s::bigint / 1000.0))
ON CONFLICT (fingerprint) DO UPDATE SET until = excluded.until;

-- name: unmute
DELETE FROM {schema}.mutes WHERE fingerprint = %(fingerprint)s;
