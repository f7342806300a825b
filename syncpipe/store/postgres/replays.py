"""Replays in the tables ``replays`` and ``replay_items``: the side of people."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg import sql

from syncpipe.core.filter_language import parse
from syncpipe.core.outcome import Outcome
from syncpipe.core.version import MAX_AHEAD_MS
from syncpipe.database.session import now_ms
from syncpipe.errors import NotPossible
from syncpipe.store.postgres.audit import MOST_NAMED, append, require_key
from syncpipe.store.postgres.filtering import condition, named_range, storable
from syncpipe.store.postgres.statements import run, statement
from syncpipe.store.replays import DEAD, GOOD, SKIPPED, Order, Plan, Replay, ReplayState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from syncpipe.core.audit import Act
    from syncpipe.store.postgres.connections import Connections
    from syncpipe.store.replays import Declared, Report

#: How many ids a plan names.
_FIRST = 10
_NAMES = (
    *("has_sources", "insert", "tallies", "pause", "resume", "cancel"),
    *("lock_unsent", "open_unsent", "old", "forget_items", "forget"),
)
_DEAD = [outcome.value for outcome in DEAD]
#: Words of outcomes in whose place a good one comes.
_BAD = [*(each.value for each in Outcome if each not in GOOD), SKIPPED]


class PostgresReplays:
    """Keeps replays; implements the port `Replays`."""

    def __init__(self, connections: Connections, schema: str, audit_key: bytes | None) -> None:
        """Use *connections* to the store with the tables in *schema*; acts take *audit_key*."""
        self._connections = connections
        self._schema = schema
        self._key = audit_key
        self._slots: dict[str, sql.Composable] = {
            "schema": sql.Identifier(schema),
            "order": statement("replays", "order"),
            "now_ms": statement("replays", "now_ms"),
        }
        self._statements = {name: statement("replays", name, **self._slots) for name in _NAMES}
        columns = statement("replays", "replay")
        self._latest = statement("replays", "latest", replay=columns, **self._slots)

    def plan(self, order: Order, declared: Declared | None = None) -> Plan:
        """Return what *order* would take now, as `Replays.plan` promises."""
        fits, arguments = condition(order.filter)
        query = statement("replays", "plan", condition=fits, **self._slots)
        arguments |= {"most": order.limit, "first": _FIRST, **_declared(declared)}
        with self._connections.current() as connection, connection.transaction():
            run(connection, statement("replays", "take_time"))
            row = cast("tuple[Any, ...]", run(connection, query, arguments).fetchone())
        number, records, by_target, by_code, unreadable, hopeless, first, sources = row
        if order.as_of_now and sources:
            raise _as_of_source()
        return Plan(
            number, records, by_target or {}, by_code or {}, unreadable, hopeless, first or []
        )

    def create(self, order: Order, act: Act, declared: Declared | None = None) -> Replay:
        """Take what *order* means, as `Replays.create` promises."""
        require_key(self._key, act)
        act = replace(act, actor=storable(act.actor), reason=storable(act.reason))
        id_ = str(uuid.uuid4())
        with self._connections.current() as connection, connection.transaction():
            run(connection, statement("replays", "take_time"))
            total = self._take(connection, id_, order, act)
            if not total:
                raise NotPossible(f"No open dead letter fits {order.text or 'the filter'!r}.")
            if order.as_of_now and declared and self._has(connection, id_, declared.sources):
                raise _as_of_source()
            run(connection, self._statements["insert"], _row(id_, order, act, total))
            self._write_down(connection, act, id_, letters=total, filter=order.text)
        return self._found(id_)

    def find(self, id_: str) -> Replay | None:
        """Return the replay *id_*, as `Replays.find` promises."""
        ends = named_range(id_)
        found = self._read(limit=2, ends=ends) if ends else []
        return found[0] if len(found) == 1 else None

    def latest(self, *, limit: int, active: bool = False) -> list[Replay]:
        """Return up to *limit* replays, the newest first."""
        return self._read(limit=limit, active=active)

    def pause(self, id_: str, act: Act) -> Replay:
        """Send nothing more until it is resumed."""
        return self._change(id_, act, "pause")

    def resume(self, id_: str, act: Act) -> Replay:
        """Go on."""
        return self._change(id_, act, "resume")

    def cancel(self, id_: str, act: Act) -> Replay:
        """End it, and open what was not sent."""
        return self._change(id_, act, "lock_unsent", "open_unsent", "cancel")

    def forget(self, act: Act, *, keep_s: float, limit: int) -> int:
        """Delete those that ended long ago, with their items, as `Replays.forget` promises."""
        arguments = {"keep_s": keep_s, "limit": limit}
        with self._connections.current() as connection, connection.transaction():
            run(connection, statement("replays", "take_time"))
            ids = [id_ for (id_,) in run(connection, self._statements["old"], arguments)]
            if not ids:
                return 0
            run(connection, self._statements["forget_items"], {"ids": ids})
            if run(connection, self._statements["forget"], {"ids": ids}).rowcount != len(ids):
                # An outcome came, or somebody else deletes them: they are left as they are.
                raise psycopg.Rollback
            act = replace(act, details={**act.details, "number": len(ids), "ids": ids[:MOST_NAMED]})
            append(connection, self._schema, self._key, act)
            return len(ids)
        return 0

    def _take(self, connection: psycopg.Connection[Any], id_: str, order: Order, act: Act) -> int:
        """Have the replay *id_* take what *order* means; return how many those are."""
        fits, arguments = condition(order.filter)
        query = statement("replays", "take_letters", condition=fits, **self._slots)
        arguments |= {
            "id": id_,
            "most": order.limit,
            "as_of_now": order.as_of_now,
            "now_ms": now_ms(connection),
            "ahead_ms": MAX_AHEAD_MS,
            "actor": act.actor,
            "reason": act.reason,
        }
        return run(connection, query, arguments).rowcount

    def _has(
        self, connection: psycopg.Connection[Any], id_: str, collections: Iterable[str]
    ) -> bool:
        arguments = {"id": id_, "sources": list(collections)}
        row = run(connection, self._statements["has_sources"], arguments).fetchone()
        return cast("tuple[bool]", row)[0]

    def _change(self, id_: str, act: Act, *names: str) -> Replay:
        """Run the statements *names*, of which the last tells by its rows whether it can be."""
        before = self.find(id_)
        if before is None:
            raise NotPossible(f"There is no replay {id_!r}.")
        arguments = {"id": before.id, "dead": _DEAD}
        changed: dict[str, int] = {}
        with self._connections.current() as connection, connection.transaction():
            for name in names:
                changed[name] = run(connection, self._statements[name], arguments).rowcount
            if not changed[names[-1]]:
                raise NotPossible(f"The replay is {before.state.value}.")
            opened = {"opened": changed["open_unsent"]} if "open_unsent" in changed else {}
            self._write_down(connection, act, before.id, **opened)
        return self._found(before.id)

    def _write_down(
        self, connection: psycopg.Connection[Any], act: Act, id_: str, **details: Any
    ) -> None:
        act = replace(act, subject=id_, details={**act.details, **details})
        append(connection, self._schema, self._key, act)

    def _found(self, id_: str) -> Replay:
        return self._read(limit=1, ends=(id_, id_))[0]

    def _read(
        self, *, limit: int, ends: tuple[str, str] | None = None, active: bool = False
    ) -> list[Replay]:
        first, last = ends or (None, None)
        arguments = {"first": first, "last": last, "limit": limit, "active": active}
        with self._connections.current() as connection:
            rows = run(connection, self._latest, arguments).fetchall()
            ids = [id_ for id_, *_, tally in rows if tally is None]
            counted = run(connection, self._statements["tallies"], {"ids": ids}).fetchall()
        outcomes = {id_: Counter[str]() for id_ in ids}
        sent = Counter[str]()
        for of, outcome, was_sent, number in counted:
            if outcome:
                outcomes[of][outcome] += number
            if was_sent:
                sent[of] += number
        return [
            replay_of(row, outcomes[row[0]], sent[row[0]])
            if tally is None
            else replay_of(row, tally["outcomes"], tally["sent"])
            for *row, tally in rows
        ]


class PostgresOutcomes:
    """Notes what became of replayed operations; implements the port `Outcomes`."""

    def __init__(self, connections: Connections, schema: str) -> None:
        """Use *connections* to the store with the tables in *schema*."""
        self._connections = connections
        self._lock, self._report = (
            statement("replays", name, schema=sql.Identifier(schema))
            for name in ("lock_letters", "report")
        )

    def report(self, reports: Sequence[Report]) -> None:
        """Note what became of operations, as `Outcomes.report` promises."""
        if not reports:
            return
        arguments = {
            "replays": [each.replay for each in reports],
            "letters": [each.letter for each in reports],
            "outcomes": [each.outcome.value for each in reports],
            "codes": [each.code for each in reports],
            "good": [each.outcome in GOOD for each in reports],
            "bad": _BAD,
        }
        with self._connections.current() as connection, connection.transaction():
            run(connection, self._lock, arguments)
            run(connection, self._report, arguments)


def replay_of(row: Sequence[Any], outcomes: Mapping[str, int], sent: int) -> Replay:
    """Return what the columns ``replay`` but the last say, with what was counted beside them."""
    id_, state, text, most, rate, canary, stop, as_of_now, actor, reason, *times, total, why = row
    order = Order(
        filter=parse(text, now_ms=times[0]),
        text=text,
        limit=most,
        rate=rate,
        canary=canary,
        stop_on_error_rate=stop,
        as_of_now=as_of_now,
    )
    return Replay(
        id=id_,
        state=ReplayState(state),
        order=order,
        actor=actor,
        reason=reason,
        created_ms=times[0],
        ended_ms=times[1],
        total=total,
        sent=sent,
        outcomes=dict(outcomes),
        stopped=why,
    )


def _row(id_: str, order: Order, act: Act, total: int) -> dict[str, Any]:
    state = ReplayState.CANARY if order.canary else ReplayState.RUNNING
    return {
        "id": id_,
        "state": state.value,
        "filter": order.text,
        "most": order.limit,
        "rate": order.rate,
        "canary": order.canary,
        "stop_on_error_rate": order.stop_on_error_rate,
        "as_of_now": order.as_of_now,
        "actor": act.actor,
        "reason": act.reason,
        "total": total,
    }


def _declared(declared: Declared | None) -> dict[str, Any]:
    pairs = [
        (target, collection)
        for target, collections in (declared.collections if declared else {}).items()
        for collection in collections
    ]
    return {
        "declared": declared is not None,
        "targets": list(declared.collections) if declared else [],
        "of_target": [target for target, _ in pairs],
        "collections": [collection for _, collection in pairs],
        "sources": list(declared.sources) if declared else [],
    }


def _as_of_source() -> NotPossible:
    return NotPossible(
        "It has operations of collections that take their versions from their source, which alone "
        "can say what is as of now. Leave these out, or send all as they were."
    )
