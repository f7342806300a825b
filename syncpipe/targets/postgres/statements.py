"""The named SQL statements in ``sql/``, and the slots for our own tables."""

from __future__ import annotations

from psycopg import sql

from syncpipe.database.statements import Statements

#: Returns a statement by file and name, with its slots filled.
statement = Statements(__package__)
#: Returns the statements of a file by name.
texts = statement.texts


def own_tables(schema: str) -> dict[str, sql.Identifier]:
    """Return the slots for syncpipe's own tables in *schema*."""
    names = ("documents", "records", "increments", "collections")
    return {"schema": sql.Identifier(schema)} | {n: sql.Identifier(schema, n) for n in names}
