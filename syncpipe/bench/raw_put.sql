-- What PostgreSQL itself can take: one statement for each batch, which refuses what is stale.
INSERT INTO raw_records AS t (key, version, document)
SELECT d.key, d.version, d.document
FROM jsonb_to_recordset(%(records)s::jsonb) AS d (key text, version bigint, document jsonb)
ORDER BY d.key COLLATE "C"
ON CONFLICT (key) DO UPDATE SET version = excluded.version, document = excluded.document
WHERE t.version < excluded.version
