"""The schedule in the table ``scheduled``."""

from __future__ import annotations

import json
import uuid
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from psycopg import sql

from syncpipe.core.attempt import attempts_of
from syncpipe.core.routing import Priority
from syncpipe.store.postgres.statements import statement
from syncpipe.store.schedule import Lease, Outlook, Scheduled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.store.postgres.connections import Connections
    from syncpipe.store.schedule import Entry


class PostgresSchedule:
    """Keeps operations until they are due; implements the port `Schedule`."""

    def __init__(self, connections: Connections, schema: str) -> None:
        """Use *connections* to the store with the tables in *schema*."""
        self._connections = connections
        self._put, self._lease, self._remove, self._outlook = (
            statement("schedule", name, schema=sql.Identifier(schema))
            for name in ("put", "lease", "remove", "outlook")
        )

    def put(self, entries: Sequence[Entry]) -> None:
        """Schedule *entries*, as `Schedule.put` promises."""
        wanted: dict[object, Entry] = {}
        for entry in entries:
            other = wanted.setdefault(entry.scheduled.identity, entry)
            if len(entry.scheduled.attempts) >= len(other.scheduled.attempts):
                wanted[entry.scheduled.identity] = entry
        if not wanted:
            return
        scheduled = [entry.scheduled for entry in wanted.values()]
        arguments = {
            **_identities(scheduled),
            "priority": [each.priority.value for each in scheduled],
            "raw": [each.raw for each in scheduled],
            "tries": [len(each.attempts) for each in scheduled],
            "attempts": [_attempts_text(each) for each in scheduled],
            "trace": [None if each.trace is None else _storable(each.trace) for each in scheduled],
            "group_id": [each.group_id and uuid.UUID(bytes=each.group_id) for each in scheduled],
            "replay": [each.replay and uuid.UUID(bytes=each.replay) for each in scheduled],
            "wait_ms": [entry.wait_ms for entry in wanted.values()],
        }
        with self._connections.current() as connection:
            connection.execute(self._put, arguments)

    def lease(self, targets: Sequence[str], *, limit: int, max_bytes: int, seconds: float) -> Lease:
        """Lend what is due, as `Schedule.lease` promises."""
        token = str(uuid.uuid4())
        arguments = {
            "targets": list(targets),
            "limit": limit,
            "max_bytes": max_bytes,
            "token": token,
            "lease_ms": round(seconds * 1000),
        }
        with self._connections.current() as connection:
            rows = connection.execute(self._lease, arguments).fetchall()
        rows.sort(key=itemgetter(-1))
        return Lease(token, tuple(map(_scheduled, rows)))

    def remove(self, lease: Lease, operations: Sequence[Scheduled]) -> int:
        """Forget what *lease* still holds."""
        if not operations:
            return 0
        arguments = {**_identities(operations), "token": lease.token}
        with self._connections.current() as connection:
            return connection.execute(self._remove, arguments).rowcount

    def outlook(self) -> dict[str, Outlook]:
        """Return what is scheduled, by target."""
        with self._connections.current() as connection:
            rows = connection.execute(self._outlook).fetchall()
        return {target: Outlook(count, next_s) for target, count, next_s in rows}


def _identities(scheduled: Iterable[Scheduled]) -> dict[str, list[Any]]:
    """Return the columns of the primary key."""
    scheduled = list(scheduled)
    return {
        "operation_id": [uuid.UUID(bytes=each.operation_id) for each in scheduled],
        "target": [each.target for each in scheduled],
        "collection": [each.collection for each in scheduled],
        "key": [each.key for each in scheduled],
    }


def _attempts_text(scheduled: Scheduled) -> str:
    """Return the attempts as JSON that PostgreSQL can hold."""
    return json.dumps(
        [
            [_storable(member) if isinstance(member, str) else member for member in attempt]
            for attempt in scheduled.attempts
        ]
    )


def _storable(text: str) -> str:
    """Return *text* without NUL and lone surrogates, which PostgreSQL does not take."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _scheduled(row: Sequence[Any]) -> Scheduled:
    operation_id, target, collection, key, priority, raw, attempts, trace, group_id, replay, _ = row
    return Scheduled(
        operation_id.bytes,
        target,
        collection,
        key,
        Priority(priority),
        bytes(raw),
        attempts_of(attempts),
        trace,
        group_id and group_id.bytes,
        replay and replay.bytes,
    )
