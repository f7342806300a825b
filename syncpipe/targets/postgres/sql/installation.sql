-- What `target test` asks.

-- name: server
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
       pg_is_in_recovery(), current_user::text, current_database()::text,
       (SELECT setting FROM pg_settings WHERE name = 'fsync');

-- name: missing_tables
SELECT name FROM unnest(%(names)s::text[]) AS t (name)
WHERE to_regclass(format('%%I.%%I', %(schema)s::text, name)) IS NULL;

-- name: missing_rights
SELECT p.name || ' on ' || t.name
FROM unnest(%(tables)s::text[]) AS t (name)
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (name)
WHERE to_regclass(t.name) IS NOT NULL AND NOT has_table_privilege(to_regclass(t.name), p.name);
