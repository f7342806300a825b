"""A store in PostgreSQL that the tests of one module share."""

from __future__ import annotations

import psycopg
from psycopg import sql

#: Key of its audit.
AUDIT_KEY = bytes(range(32))
#: Tables that stay as they are: the audit can only grow.
_KEPT = {"audit", "migrations"}


def emptied(dsn: str) -> None:
    """Empty the tables of the store at *dsn*."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'syncpipe'"
    with psycopg.connect(dsn, autocommit=True) as connection:
        names = [name for (name,) in connection.execute(query) if name not in _KEPT]
        tables = sql.SQL(", ").join(sql.Identifier("syncpipe", name) for name in names)
        connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(tables))
