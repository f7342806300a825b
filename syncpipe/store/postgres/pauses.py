"""Pauses in the table ``pauses``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import sql

from syncpipe.core.audit import Act
from syncpipe.resilience.hold import Hold
from syncpipe.store.pauses import Held, Pause
from syncpipe.store.postgres.audit import append
from syncpipe.store.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.store.postgres.connections import Connections


class PostgresPauses:
    """Keeps what people want of targets; implements the port `Pauses`."""

    def __init__(
        self, connections: Connections, schema: str, audit_key: bytes | None = None
    ) -> None:
        """Use *connections* to the store with the tables in *schema*; audit with *audit_key*."""
        self._connections = connections
        self._schema = schema
        self._audit_key = audit_key
        self._lock, self._insert, self._current = (
            statement("pauses", name, schema=sql.Identifier(schema))
            for name in ("lock", "insert", "current")
        )

    def hold(self, target: str, hold: Hold, *, by: str, reason: str) -> Held:
        """Want *hold* of *target* from now on, as `Pauses.hold` promises."""
        wish = {"target": target, "hold": hold.value, "by": by, "reason": reason}
        with self._connections.current() as connection, connection.transaction():
            connection.execute(self._lock)
            changed = connection.execute(self._insert, wish).rowcount == 1
            row = connection.execute(self._current, {"target": target}).fetchone()
            if changed and self._audit_key is not None:
                verb = "target.pause" if hold is Hold.OPEN else "target.resume"
                act = Act(by, verb, target, reason, {"hold": hold.value})
                append(connection, self._schema, self._audit_key, act)
        pause = _pause(row) if row else Pause(target, Hold.NONE, by, reason, 0)
        return Held(pause, changed)

    def current(self) -> dict[str, Pause]:
        """Return what is wanted of each target."""
        with self._connections.current() as connection:
            rows = connection.execute(self._current, {"target": None}).fetchall()
        return {pause.target: pause for pause in map(_pause, rows)}


def _pause(row: Sequence[Any]) -> Pause:
    target, hold, by, reason, since_ms = row
    return Pause(target, Hold(hold), by, reason, since_ms)
