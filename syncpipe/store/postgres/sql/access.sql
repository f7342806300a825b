-- What the server knows of who asks.

-- name: memberships
-- A superuser is a member of all.
SELECT rolname::text FROM pg_roles
WHERE rolname = ANY(%(names)s::text[]) AND pg_has_role(current_user, oid, 'MEMBER');
