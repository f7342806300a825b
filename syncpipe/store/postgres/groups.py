"""Groups in the tables ``group_members``, ``group_deaths`` and ``compensations``."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from syncpipe.core.routing import Priority
from syncpipe.store.groups import Counts, Death, Identity, Member, Standing
from syncpipe.store.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import psycopg

    from syncpipe.core.compensation import Compensation
    from syncpipe.store.postgres.connections import Connections

_NAMES = (
    *("enter", "entered", "leave", "applied", "lend", "propose", "compensate", "death", "counts"),
    *("forget_members", "forget_deaths", "forget_compensations"),
)
#: Most members forgotten by one statement.
_MOST_FORGOTTEN = 10_000


class PostgresGroups:
    """Keeps what is known of groups; implements the port `Groups`."""

    def __init__(self, connections: Connections, schema: str) -> None:
        """Use *connections* to the store with the tables in *schema*."""
        self._connections = connections
        self._statements = {
            name: statement("groups", name, schema=sql.Identifier(schema)) for name in _NAMES
        }
        self._hasten = hastening(schema, "recent")

    def enter(self, members: Sequence[Member], asked: Collection[bytes]) -> Standing:
        """Note *members* as about to be tried, as `Groups.enter` promises."""
        arguments = {**_columns(members), "asked": [_uuid(group_id) for group_id in asked]}
        with self._connections.current() as connection:
            rows = connection.execute(self._statements["enter"], arguments).fetchall()
            if not rows:
                return Standing({}, frozenset())
            arguments["dead"] = [row[0] for row in rows]
            entered = connection.execute(self._statements["entered"], arguments).fetchall()
        deaths = map(_death, rows)
        found = [Identity(row[0].bytes, row[1].bytes, *row[2:]) for row in entered]
        return Standing({death.group_id: death for death in deaths}, frozenset(found))

    def leave(self, members: Sequence[Member]) -> None:
        """Forget those of *members* that were not applied."""
        self._execute("leave", members)

    def applied(self, members: Sequence[Member]) -> None:
        """Keep that *members* were applied."""
        self._execute("applied", list({member.identity: member for member in members}.values()))

    def hasten(self) -> int:
        """Make due what recently dead groups have anywhere."""
        with self._connections.current() as connection:
            return sum(connection.execute(query).rowcount for query in self._hasten)

    def lend(self, *, limit: int, max_bytes: int, seconds: float) -> list[Member]:
        """Lend members to be compensated, as `Groups.lend` promises."""
        arguments = {"limit": limit, "max_bytes": max_bytes, "lease_ms": round(seconds * 1000)}
        with self._connections.current() as connection:
            rows = connection.execute(self._statements["lend"], arguments).fetchall()
        return [
            Member(group.bytes, operation.bytes, target, collection, key, Priority(priority), raw)
            for group, operation, target, collection, key, priority, raw in rows
        ]

    def compensate(self, undone: Sequence[tuple[Member, Compensation | None]]) -> int:
        """Schedule what undoes members, as `Groups.compensate` promises."""
        if not undone:
            return 0
        unique = {member.identity: (member, undoing) for member, undoing in undone}.values()
        arguments = {
            **_columns([member for member, _ in unique]),
            **_undoing([undoing for _, undoing in unique]),
        }
        with self._connections.current() as connection, connection.transaction():
            connection.execute(self._statements["propose"], arguments)
            row = connection.execute(self._statements["compensate"], arguments).fetchone()
        return cast("tuple[int]", row)[0]

    def death(self, group_id: bytes) -> Death | None:
        """Return why a group ended dead, if it did."""
        with self._connections.current() as connection:
            arguments = {"group_id": _uuid(group_id)}
            row = connection.execute(self._statements["death"], arguments).fetchone()
        return None if row is None else _death(row)

    def counts(self, group_id: bytes) -> Counts:
        """Return how far a group has come."""
        with self._connections.current() as connection:
            arguments = {"group_id": _uuid(group_id)}
            row = connection.execute(self._statements["counts"], arguments).fetchone()
        return Counts(*cast("tuple[int, int, int]", row))

    def forget(self, horizons_s: Mapping[str, int], longest_s: int) -> int:
        """Forget what is old, as `Groups.forget` promises."""
        arguments = {
            "collection": list(horizons_s),
            "horizon_s": list(horizons_s.values()),
            "longest_s": longest_s,
            "limit": _MOST_FORGOTTEN,
        }
        forgotten, last = 0, _MOST_FORGOTTEN
        with self._connections.current() as connection:
            while last == _MOST_FORGOTTEN:
                last = connection.execute(self._statements["forget_members"], arguments).rowcount
                forgotten += last
            connection.execute(self._statements["forget_deaths"], arguments)
            connection.execute(self._statements["forget_compensations"])
        return forgotten

    def _execute(self, name: str, members: Sequence[Member]) -> None:
        if not members:
            return
        with self._connections.current() as connection:
            connection.execute(self._statements[name], _columns(members))


class Deaths:
    """Lets groups end dead, inside the transaction that records the dead letters."""

    def __init__(self, schema: str) -> None:
        """Use the tables in *schema*."""
        self._die = statement("groups", "die", schema=sql.Identifier(schema))
        self._hasten = hastening(schema, "these")

    def record(self, connection: psycopg.Connection[Any], deaths: Iterable[Death]) -> None:
        """Keep *deaths*, and make due what these groups have anywhere.

        The first death of each group is the one with the earliest time.
        """
        first: dict[bytes, Death] = {}
        for death in sorted(deaths, key=lambda each: each.died_ms):
            first.setdefault(death.group_id, death)
        if not first:
            return
        arguments = {
            "group_id": [_uuid(death.group_id) for death in first.values()],
            "operation_id": [uuid.UUID(death.operation_id) for death in first.values()],
            "code": [death.code for death in first.values()],
            "died_ms": [death.died_ms for death in first.values()],
        }
        dead = {"dead": [group_id for (group_id,) in connection.execute(self._die, arguments)]}
        if dead["dead"]:
            for query in self._hasten:
                connection.execute(query, dead)


def hastening(schema: str, which: str) -> tuple[sql.Composed, sql.Composed]:
    """Return what makes due all that dead groups have: *which* of them is the name of a condition.

    Members come before the schedule, as they do wherever both are locked.
    """
    slots = {"schema": sql.Identifier(schema), "groups": statement("groups", which)}
    return (
        statement("groups", "hasten_members", **slots),
        statement("groups", "hasten_scheduled", **slots),
    )


def _columns(members: Sequence[Member]) -> dict[str, list[Any]]:
    """Return what the columns of *members* get, by name."""
    return {
        "group_id": [_uuid(each.group_id) for each in members],
        "operation_id": [_uuid(each.operation_id) for each in members],
        "target": [each.target for each in members],
        "collection": [each.collection for each in members],
        "key": [each.key for each in members],
        "priority": [each.priority.value for each in members],
        "raw": [each.raw for each in members],
    }


def _undoing(compensations: Sequence[Compensation | None]) -> dict[str, list[Any]]:
    """Return what the columns of *compensations* get, by name."""
    return {
        "undoing_id": [each and _uuid(each.operation.id) for each in compensations],
        "undoing_collection": [each and each.operation.collection for each in compensations],
        "undoing_key": [each and each.operation.key for each in compensations],
        "undoing_priority": [each and each.priority.value for each in compensations],
        "undoing_raw": [each and each.raw for each in compensations],
    }


def _death(row: Sequence[Any]) -> Death:
    group_id, operation_id, code, died_ms = row
    return Death(group_id.bytes, operation_id, code, died_ms)


def _uuid(id_: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=id_)
