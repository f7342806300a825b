"""The named SQL statements in ``sql/``; the slot ``{schema}`` is the store's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.database.statements import Statements

if TYPE_CHECKING:
    import psycopg
    from psycopg import sql

#: Returns a statement by file and name, with its slots filled.
statement = Statements(__package__)


def run(
    connection: psycopg.Connection[Any], query: sql.Composed, arguments: Any = None
) -> psycopg.Cursor[Any]:
    """Execute *query* with a plan of its own.

    One that is kept may be of a time when the tables held nothing, and take minutes when they hold
    very much.
    """
    return connection.execute(query, arguments, prepare=False)
