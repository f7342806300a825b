"""Collection of what is older than the horizon, in steps that each raise the floor they rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.core.collection import VersionSource
from syncpipe.core.version import at_milliseconds
from syncpipe.database import session
from syncpipe.targets.postgres.statements import own_tables, statement
from syncpipe.targets.target import Collected

if TYPE_CHECKING:
    from collections.abc import Collection as Keys

    import psycopg
    from psycopg import sql

    from syncpipe.core.collection import Collection

#: Most tombstones, and most ledger entries, that one transaction collects.
_STEP = 10_000


def collect(
    connection: psycopg.Connection[Any], schema: str, collection: Collection, keep: Keys[str]
) -> Collected:
    """Delete tombstones and ledger entries of *collection* older than its horizon.

    Records whose keys are in *keep* have an open dead letter: they keep what it takes to judge its
    replay. Collections with versions of the source keep everything.
    """
    if collection.version is VersionSource.SOURCE:
        return Collected()
    statements = _statements(schema, in_table=collection.table is not None)
    arguments = {"collection": collection.name, "keys": sorted(keep), "limit": _STEP}
    cutoff = at_milliseconds(max(session.now_ms(connection) - collection.horizon_s * 1000, 0))
    connection.execute(statements["begin"], arguments)
    total = Collected()
    while total.floor < cutoff:
        step = _step(connection, statements, arguments, cutoff)
        total = Collected(
            step.floor, total.tombstones + step.tombstones, total.increments + step.increments
        )
    return total


def _step(
    connection: psycopg.Connection[Any],
    statements: dict[str, sql.Composed],
    arguments: dict[str, Any],
    cutoff: int,
) -> Collected:
    with connection.transaction():
        execute = connection.execute
        (old_floor,) = execute(statements["floor"], arguments).fetchone() or (0,)
        (floor,) = execute(statements["oldest"], {**arguments, "cutoff": cutoff}).fetchone() or (0,)
        floor = max(floor, old_floor)
        arguments = {**arguments, "old_floor": old_floor, "floor": floor}
        execute(statements["release"], arguments)
        execute(statements["keep"], arguments)
        tombstones = execute(statements["tombstones"], arguments).rowcount
        increments = execute(statements["ledger"], arguments).rowcount
        execute(statements["raise"], arguments)
    return Collected(floor, tombstones, increments)


def _statements(schema: str, *, in_table: bool) -> dict[str, sql.Composed]:
    tables = own_tables(schema)
    kind = "record" if in_table else "document"
    slots: dict[str, sql.Composable] = {
        "collections": tables["collections"],
        "increments": tables["increments"],
        "memory": tables["records" if in_table else "documents"],
        "tombstone": statement("horizon", f"{kind}_tombstone"),
        "columns": statement("horizon", f"{kind}_columns"),
        "values": statement("horizon", f"{kind}_values"),
    }
    names = ("begin", "floor", "oldest", "keep", "release", "tombstones", "ledger", "raise")
    return {name: statement("horizon", name, **slots) for name in names}
