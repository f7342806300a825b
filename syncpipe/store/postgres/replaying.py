"""Replays in the tables ``replays`` and ``replay_items``: the side of whoever sends."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from syncpipe.store.postgres.replays import replay_of
from syncpipe.store.postgres.statements import run, statement
from syncpipe.store.replays import SENT, SKIPPED, Item, ReplayState, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

    from syncpipe.store.postgres.connections import Connections

_NAMES = (
    *("progress", "scheduled", "seen", "items", "lost", "lock_items", "skip"),
    *("resolve", "mark", "sent"),
    *("waits_for", "end", "release"),
)
#: What nobody goes on with once it is counted.
_OVER = frozenset({ReplayState.FINISHED, ReplayState.CANCELLED})


class PostgresReplaying:
    """Lends replays to whoever sends; implements the port `Replaying`."""

    def __init__(self, connections: Connections, schema: str) -> None:
        """Use *connections* to the store with the tables in *schema*."""
        self._connections = connections
        slots: dict[str, sql.Composable] = {"schema": sql.Identifier(schema)}
        self._statements = {name: statement("replays", name, **slots) for name in _NAMES}
        columns = statement("replays", "replay")
        self._take = statement("replays", "take", replay=columns, **slots)

    def take(self, *, seconds: float) -> Turn | None:
        """Lend the replay that has waited longest, as `Replaying.take` promises."""
        token = str(uuid.uuid4())
        arguments = {"token": token, "lease_ms": round(seconds * 1000)}
        with self._connections.current() as connection:
            row = run(connection, self._take, arguments).fetchone()
            return None if row is None else self._turn(connection, token, row)

    def items(self, turn: Turn, *, after: int, last: int, limit: int, max_bytes: int) -> list[Item]:
        """Return those that are not sent, as `Replaying.items` promises."""
        bounds = {"after": after, "last": last, "limit": limit, "max_bytes": max_bytes}
        with self._connections.current() as connection:
            return self._items(connection, turn, "items", bounds)

    def lost(self, turn: Turn, *, silent_s: float, limit: int, max_bytes: int) -> list[Item]:
        """Return those of which nothing is heard, as `Replaying.lost` promises."""
        bounds = {"silent_ms": round(silent_s * 1000), "limit": limit, "max_bytes": max_bytes}
        with self._connections.current() as connection:
            return self._items(connection, turn, "lost", bounds)

    def sent(self, turn: Turn, items: Sequence[Item], *, seconds: float, burst_s: float) -> bool:
        """Note that *items* are in the broker, as `Replaying.sent` promises."""
        unheard = [item for item in items if not item.readable]
        arguments = {
            **_key(turn),
            "numbers": [item.number for item in items],
            "unheard": [item.number for item in unheard],
            "letters": [item.letter for item in unheard],
            "word": SENT,
            "number": len(items),
            "lease_ms": round(seconds * 1000),
            "burst_ms": round(burst_s * 1000),
        }
        with self._connections.current() as connection, connection.transaction():
            if unheard:
                run(connection, self._statements["resolve"], arguments)
            run(connection, self._statements["lock_items"], arguments)
            run(connection, self._statements["mark"], arguments)
            return run(connection, self._statements["sent"], arguments).rowcount == 1

    def waits_for(self, turn: Turn) -> dict[str, int]:
        """Return how many sent ones have no outcome, by target."""
        with self._connections.current() as connection:
            rows = run(connection, self._statements["waits_for"], _key(turn)).fetchall()
        return dict(rows)

    def end(
        self,
        turn: Turn,
        state: ReplayState | None = None,
        *,
        stopped: str = "",
        after_s: float = 0.0,
    ) -> bool:
        """Give the replay back, as `Replaying.end` promises."""
        before = turn.replay.state
        state = state or before
        over = state in _OVER and (state is not ReplayState.CANCELLED or not turn.waiting)
        counted = {"outcomes": turn.replay.outcomes, "sent": turn.replay.sent}
        arguments = _key(turn) | {
            "to": state.value,
            "stopped": stopped,
            "after_ms": round(after_s * 1000),
            "over": over,
            "tally": json.dumps(counted),
        }
        with self._connections.current() as connection:
            ended = run(connection, self._statements["end"], arguments).rowcount == 1
            if not ended:
                run(connection, self._statements["release"], arguments)
        return ended

    def _turn(self, connection: psycopg.Connection[Any], token: str, row: Sequence[Any]) -> Turn:
        *columns, _, forgiven, forgiven_dead, seen, behind_s, silent_s = row
        key = {"id": columns[0], "canary": columns[5]}
        counted = run(connection, self._statements["progress"], key).fetchall()
        progress = _progress(counted)
        ended = progress.outcomes.total()
        if ended != seen:
            run(connection, self._statements["seen"], {**key, "seen": ended})
            silent_s = 0.0
        scheduled = 0
        if progress.waiting:
            found = run(connection, self._statements["scheduled"], key).fetchone()
            scheduled = found[0] if found else 0
        return Turn(
            token=token,
            replay=replay_of(columns, progress.outcomes, progress.sent),
            next=progress.next,
            unsent=progress.unsent,
            waiting=progress.waiting,
            scheduled=min(scheduled, progress.waiting),
            canary=progress.canary,
            forgiven=forgiven,
            forgiven_dead=forgiven_dead,
            behind_s=behind_s,
            silent_s=silent_s,
        )

    def _items(
        self, connection: psycopg.Connection[Any], turn: Turn, name: str, bounds: dict[str, Any]
    ) -> list[Item]:
        arguments = _key(turn) | bounds
        rows = run(connection, self._statements[name], arguments).fetchall()
        if gone := [number for number, *_, held in rows if not held]:
            skipped = _key(turn) | {"numbers": gone, "skipped": SKIPPED}
            run(connection, self._statements["skip"], skipped)
        return [_item(row) for row in rows if row[-1]]


@dataclass(slots=True)
class _Progress:
    """What was counted of the items of a replay."""

    outcomes: Counter[str]
    sent: int = 0
    unsent: int = 0
    waiting: int = 0
    canary: int = 0
    next: int | None = None


def _progress(rows: Iterable[tuple[str, bool, int, int, int]]) -> _Progress:
    progress = _Progress(Counter())
    for outcome, sent, number, of_canary, first in rows:
        if sent:
            progress.sent += number
        if outcome:
            progress.outcomes[outcome] += number
            continue
        progress.canary += of_canary
        if sent:
            progress.waiting += number
        else:
            progress.unsent, progress.next = number, first
    return progress


def _key(turn: Turn) -> dict[str, Any]:
    return {"id": turn.replay.id, "token": turn.token, "state": turn.replay.state.value}


def _item(row: Sequence[Any]) -> Item:
    number, letter, raw, queue, readable, version, trace, tries, _ = row
    return Item(number, letter, bytes(raw), queue, readable, version, trace, tries)
