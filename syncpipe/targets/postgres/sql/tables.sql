-- Table mode, the user's own rows. Each element of `rows` is a JSON object of column values, which
-- PostgreSQL converts to the table's own types. Only declared columns and the key are named.

-- name: columns
SELECT
    a.attname,
    format_type(a.atttypid, a.atttypmod),
    t.typcategory::text,
    t.typname::text,
    CASE WHEN t.typname = 'numeric' AND a.atttypmod >= 0
        THEN ((a.atttypmod - 4) & 2047) END,
    a.attgenerated <> '' OR a.attidentity = 'a',
    a.attnotnull,
    coalesce(c.collisdeterministic, true)
FROM pg_attribute AS a
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum;

-- name: unique_key
-- Whether a unique index that every row is subject to covers exactly the key.
SELECT EXISTS (
    SELECT
    FROM pg_index AS i
    WHERE i.indrelid = to_regclass(%(table)s)
      AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
      AND (
          SELECT array_agg(a.attname::text ORDER BY a.attname::text)
          FROM pg_attribute AS a
          WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey[0:i.indnkeyatts - 1])
      ) = (SELECT array_agg(k ORDER BY k) FROM unnest(%(key)s::text[] COLLATE "C") AS k)
);

-- name: put
INSERT INTO {table} ({columns})
SELECT {values}
FROM jsonb_array_elements(%(rows)s::jsonb) AS d (row)
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, d.row) AS r
ON CONFLICT ({key}) DO {put_action};

-- name: fill
-- Makes the rows that partial writes miss. A row that somebody else makes meanwhile is left to `patch`.
INSERT INTO {table} ({columns})
SELECT {values}
FROM jsonb_array_elements(%(rows)s::jsonb) AS d (row)
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, d.row) AS r
WHERE NOT EXISTS (SELECT FROM {table} AS t WHERE {match})
ON CONFLICT ({key}) DO NOTHING;

-- name: patch
UPDATE {table} AS t SET {patch_columns}
FROM jsonb_array_elements(%(rows)s::jsonb) AS d (row)
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, d.row) AS r
WHERE {match};

-- name: delete
DELETE FROM {table} AS t
USING
    jsonb_array_elements(%(rows)s::jsonb) AS d (row),
    LATERAL jsonb_populate_record(NULL::{table}, d.row) AS r
WHERE {match};

-- name: current
-- Locks rows and returns the present values of the columns that are to be incremented.
SELECT d.position, to_jsonb(t.*)
FROM jsonb_array_elements(%(rows)s::jsonb) WITH ORDINALITY AS d (row, position)
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, d.row) AS r
JOIN {table} AS t ON {match}
ORDER BY d.position
FOR UPDATE OF t;

-- name: present
-- Rows as they are now, with what is remembered of them, for a look that locks nothing. Each element
-- holds a record's key and the values of its key columns.
SELECT d.element ->> 'key', to_jsonb(t.*)::text, m.version, m.tie, m.detail
FROM jsonb_array_elements(%(rows)s::jsonb) AS d (element)
CROSS JOIN LATERAL jsonb_populate_record(NULL::{table}, d.element -> 'row') AS r
LEFT JOIN {table} AS t ON {match}
LEFT JOIN {records} AS m ON m.collection = %(collection)s AND m.key = d.element ->> 'key';

-- name: put_update
UPDATE SET {assignments}

-- name: put_nothing
NOTHING

-- name: assign_excluded
{column} = excluded.{column}

-- name: assign_given
{column} = CASE WHEN d.row ? {name} THEN r.{column} ELSE t.{column} END

-- name: same_key
t.{column} = r.{column}

-- name: value
r.{column}

-- name: assign_key
{column} = t.{column}
