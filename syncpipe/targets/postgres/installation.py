"""Making syncpipe's tables in a target's database, checking them, and describing the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.errors import TargetError
from syncpipe.targets.postgres.columns import read_columns, relation_text
from syncpipe.targets.postgres.statements import own_tables, statement, texts
from syncpipe.targets.target import Check, Description

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import psycopg

    from syncpipe.core.collection import Collection
    from syncpipe.targets.postgres.connections import Connections
    from syncpipe.targets.postgres.options import PostgresOptions

_TABLES = ("documents", "records", "increments", "collections")
#: Oldest PostgreSQL that the statements are tested on.
_OLDEST_VERSION = 160_000


def install(connection: psycopg.Connection[Any], schema: str) -> list[str]:
    """Make syncpipe's own tables in *schema*; return their names."""
    slots = own_tables(schema)
    with connection.transaction():
        for name in texts("schema"):
            connection.execute(statement("schema", name, **slots))
    return [f"{schema}.{name}" for name in _TABLES]


def describe(connection: psycopg.Connection[Any], collection: Collection) -> Description:
    """Return what operations of *collection* may write."""
    if collection.table is None:
        return Description(collection.name, "documents", (("*", "any field, as JSON"),))
    columns = read_columns(connection, collection)
    every = [*columns.key, *columns.declared.values()]
    return Description(
        collection.name, collection.table, tuple((c.name, c.type_text) for c in every)
    )


def check(
    connections: Connections, options: PostgresOptions, collections: Iterable[Collection]
) -> list[Check]:
    """Return findings about the server, our tables, rights, clocks and each collection's table."""
    try:
        with connections.connection() as connection:
            return [
                *_check_server(connection),
                *_check_tables(connection, options, collections),
                *(_check_collection(connection, c) for c in collections if c.table is not None),
            ]
    except TargetError as fault:
        return [Check("connect", ok=False, detail=str(fault))]


def _check_server(connection: psycopg.Connection[Any]) -> Iterator[Check]:
    row = connection.execute(statement("installation", "server")).fetchone()
    version, number, standby, user, database, fsync = row or ("", 0, False, "", "", "on")
    yield Check("connect", ok=True, detail=f"PostgreSQL {version}, {database!r} as {user!r}")
    yield Check(
        "version", ok=number >= _OLDEST_VERSION, detail="PostgreSQL 16 or later is what is tested."
    )
    yield Check(
        "writable", ok=not standby, detail="a standby; use the primary" if standby else "primary"
    )
    detail = "on" if fsync == "on" else "off: a crash of the server can lose what was acknowledged"
    yield Check("fsync", ok=fsync == "on", detail=detail)


def _check_tables(
    connection: psycopg.Connection[Any], options: PostgresOptions, collections: Iterable[Collection]
) -> Iterator[Check]:
    arguments = {"names": list(_TABLES), "schema": options.schema}
    missing = [
        n for (n,) in connection.execute(statement("installation", "missing_tables"), arguments)
    ]
    advice = f"missing {', '.join(missing)}: run `syncpipe target init {options.name}`"
    yield Check(
        "tables", ok=not missing, detail=advice if missing else f"schema {options.schema!r}"
    )
    tables = [relation_text(f"{options.schema}.{name}") for name in _TABLES]
    tables += [relation_text(c.table) for c in collections if c.table is not None]
    rows = connection.execute(statement("installation", "missing_rights"), {"tables": tables})
    rights = [right for (right,) in rows]
    yield Check("rights", ok=not rights, detail=", ".join(rights) or "read and write")


def _check_collection(connection: psycopg.Connection[Any], collection: Collection) -> Check:
    name = f"collection {collection.name}"
    try:
        columns = read_columns(connection, collection)
    except TargetError as fault:
        return Check(name, ok=False, detail=fault.message)
    return Check(name, ok=True, detail=f"{collection.table}: {', '.join(columns.declared)}")
