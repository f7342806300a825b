"""What people do with dead letters, in the table ``dead_letters``."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, cast

from psycopg import sql

from syncpipe.errors import NotPossible
from syncpipe.store.deadletters import OPEN, Entry, Kept
from syncpipe.store.postgres.audit import MOST_NAMED, append
from syncpipe.store.postgres.deadletters import kept_of, row_of
from syncpipe.store.postgres.filtering import condition, named_range, storable, uuid_range
from syncpipe.store.postgres.statements import run, statement
from syncpipe.store.triage import DISCARDED, EDITED, RESOLVED, Cause, Changed, Stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

    from syncpipe.core.audit import Act
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.core.filtering import Filter
    from syncpipe.store.deadletters import Position
    from syncpipe.store.postgres.connections import Connections

#: Most that `find` returns: more have the same beginning by accident, or are of one operation.
_MOST_FOUND = 100
#: Hours that are counted each.
_HOURS = 24
#: States of those that can be deleted.
_PUT_AWAY = [DISCARDED, RESOLVED, EDITED]
_ENTRY = len(fields(Entry))
#: Moments that PostgreSQL can hold, milliseconds since the Unix epoch.
_MOMENTS_MS = (0, 2**53)


class PostgresTriage:
    """Finds and changes dead letters for people; implements the port `Triage`."""

    def __init__(self, connections: Connections, schema: str, audit_key: bytes | None) -> None:
        """Use *connections* to the store with the tables in *schema*; audit with *audit_key*."""
        self._connections = connections
        self._schema = schema
        self._audit_key = audit_key
        self._slots: dict[str, sql.Composable] = {
            "schema": sql.Identifier(schema),
            "entry": statement("triage", "entry"),
            "whole": statement("deadletters", "whole"),
            "hours": statement("triage", "hours"),
        }

    def entries(self, filter_: Filter, *, limit: int, after: Position | None = None) -> list[Entry]:
        """Return those that fit, the newest first."""
        return [Entry(*row) for row in self._list("entry", filter_, limit, after)]

    def letters(self, filter_: Filter, *, limit: int, after: Position | None = None) -> list[Kept]:
        """Return the same with bytes and attempts."""
        return [kept_of(row) for row in self._list("whole", filter_, limit, after)]

    def find(self, id_: str) -> list[Kept]:
        """Return those that *id_*, or the beginning of an id, names."""
        ends = named_range(id_)
        if ends is None:
            return []
        arguments = {"first": ends[0], "last": ends[1], "limit": _MOST_FOUND}
        return [kept_of(row) for row in self._rows(self._statement("find"), arguments)]

    def count(self, filter_: Filter) -> int:
        """Return how many fit."""
        where, arguments = condition(filter_)
        return cast("int", self._rows(self._statement("count", where=where), arguments)[0][0])

    def causes(self, filter_: Filter, *, limit: int, muted: bool = False) -> list[Cause]:
        """Return the causes of what fits, the most frequent first."""
        where, arguments = condition(filter_)
        arguments |= {"limit": limit, "muted": muted}
        query = self._statement("causes", where=where, columns=self._slots["entry"])
        with self._connections.current() as connection, connection.transaction():
            connection.execute(self._statement("room"))
            return [_cause(row) for row in connection.execute(query, arguments)]

    def stats(self) -> Stats:
        """Return how many there are."""
        return _stats(self._rows(self._statement("stats"), {}))

    def discard(self, filter_: Filter, act: Act, *, limit: int | None = None) -> Changed:
        """Put away the open ones that fit."""
        return self._change(filter_, act, OPEN, DISCARDED, limit)

    def restore(self, filter_: Filter, act: Act, *, limit: int | None = None) -> Changed:
        """Open the discarded ones that fit again."""
        return self._change(filter_, act, DISCARDED, OPEN, limit)

    def purgeable(self, *, filter_: Filter, before_ms: int) -> int:
        """Return how many `purge` would delete."""
        query, arguments = self._to_purge("purgeable", filter_, before_ms)
        return cast("int", self._rows(query, arguments)[0][0])

    def purge(self, act: Act, *, filter_: Filter, before_ms: int) -> Changed:
        """Delete for good what fits and was put away before then."""
        query, arguments = self._to_purge("lock", filter_, before_ms)
        with self._connections.current() as connection, connection.transaction():
            return self._done(connection, query, arguments, act, "purge")

    def forget(self, act: Act, *, keep_s: float, limit: int) -> int:
        """Delete up to *limit* that were put away more than *keep_s* ago."""
        arguments = {"states": _PUT_AWAY, "keep_s": keep_s, "limit": limit}
        slots = {"where": statement("triage", "everywhere"), "chosen": statement("triage", "old")}
        query = self._statement("lock", **slots)
        with self._connections.current() as connection, connection.transaction():
            return self._done(connection, query, arguments, act, "purge").number

    def edit(self, id_: str, letter: DeadLetter, act: Act) -> Kept:
        """Have *letter* take the place of the open one *id_*, as `Triage.edit` promises."""
        original = _whole_id(id_)
        kept = replace(Kept.new(letter), edited_from=original)
        act = replace(act, details={**act.details, "letter": kept.id})
        said = {"actor": storable(act.actor), "reason": storable(act.reason)}
        with self._connections.current() as connection, connection.transaction():
            row = connection.execute(self._statement("original"), {"id": original}).fetchone()
            if row is None or row[0] != OPEN:
                state = "not there" if row is None else row[0]
                raise NotPossible(
                    f"The dead letter {original} is {state}; only open ones are edited."
                )
            insert = statement("deadletters", "insert", schema=self._slots["schema"])
            if connection.execute(insert, row_of(kept)).rowcount != 1:
                raise NotPossible(f"The edited operation is a dead letter already: {kept.id}.")
            ids = {"id": original, "edited_to": kept.id}
            connection.execute(self._statement("replace"), ids | said)
            append(connection, self._schema, self._audit_key, act)
        return kept

    def mute(self, fingerprint: str, until_ms: int | None, act: Act) -> None:
        """Leave a cause out of lists of causes until then; None: no longer."""
        arguments = {"fingerprint": storable(fingerprint), "until_ms": _moment(until_ms)}
        query = self._statement("unmute" if until_ms is None else "mute")
        with self._connections.current() as connection, connection.transaction():
            if connection.execute(query, arguments).rowcount:
                append(connection, self._schema, self._audit_key, act)

    def _list(
        self, columns: str, filter_: Filter, limit: int, after: Position | None
    ) -> list[tuple[Any, ...]]:
        where, arguments = condition(filter_)
        arguments["limit"] = limit
        slots = {"columns": self._slots[columns], "where": where}
        if after is None:
            query = self._statement("list", behind=statement("triage", "everywhere"), **slots)
            with self._connections.current() as connection:
                return run(connection, query, arguments).fetchall()
        ends = uuid_range(after.id) or (str(uuid.UUID(int=0)),)
        arguments |= {"after_ms": _moment(after.last_seen_ms), "after_id": ends[0]}
        query = self._statement("list", behind=statement("triage", "behind"), **slots)
        with self._connections.current() as connection, connection.transaction():
            run(connection, self._statement("along"))
            return run(connection, query, arguments).fetchall()

    def _change(
        self, filter_: Filter, act: Act, before: str, after: str, limit: int | None
    ) -> Changed:
        """Bring those that fit from the state *before* to the state *after*."""
        where, arguments = condition(filter_)
        arguments |= {"states": [before], "limit": limit}
        chosen = statement("triage", "everywhere")
        if limit is not None:
            chosen = statement("triage", "newest", schema=self._slots["schema"], where=where)
        said = {"state": after, "actor": storable(act.actor), "reason": storable(act.reason)}
        query = self._statement("lock", where=where, chosen=chosen)
        with self._connections.current() as connection, connection.transaction():
            return self._done(connection, query, arguments, act, "change", **said)

    def _done(
        self,
        connection: psycopg.Connection[Any],
        query: sql.Composed,
        arguments: Mapping[str, Any],
        act: Act,
        name: str,
        **said: str,
    ) -> Changed:
        """Run the statement *name* for those that *query* locks, and write down the act.

        However many these are, it is one transaction: none is changed without an entry that tells
        of it. When there is none, nothing is written.
        """
        run(connection, statement("replays", "take_time"))
        ids = [id_ for (id_,) in run(connection, query, arguments)]
        changed = Changed(len(ids), tuple(ids[:MOST_NAMED]))
        if ids:
            run(connection, self._statement(name), {**said, "ids": ids})
            details = {**act.details, "number": changed.number, "ids": list(changed.ids)}
            append(connection, self._schema, self._audit_key, replace(act, details=details))
        return changed

    def _to_purge(
        self, name: str, filter_: Filter, before_ms: int
    ) -> tuple[sql.Composed, dict[str, Any]]:
        where, arguments = condition(filter_)
        arguments |= {"states": _PUT_AWAY, "before_ms": _moment(before_ms), "limit": None}
        before = statement("triage", "before")
        return self._statement(name, where=where, chosen=before), arguments

    def _statement(self, name: str, **slots: sql.Composable) -> sql.Composed:
        return statement("triage", name, **self._slots, **slots)

    def _rows(self, query: sql.Composed, arguments: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self._connections.current() as connection:
            return connection.execute(query, arguments).fetchall()


def _whole_id(id_: str) -> str:
    try:
        return str(uuid.UUID(id_))
    except ValueError:
        raise NotPossible("No dead letter has such an id.") from None


def _moment(moment_ms: int | None) -> int | None:
    """Return *moment_ms*, or the nearest that PostgreSQL can hold."""
    return None if moment_ms is None else min(max(moment_ms, _MOMENTS_MS[0]), _MOMENTS_MS[1])


def _cause(row: Sequence[Any]) -> Cause:
    example = Entry(*row[:_ENTRY])
    number, records, first_seen_ms, last_seen_ms, hours, muted_until_ms = row[_ENTRY:]
    return Cause(
        example.fingerprint,
        example,
        number,
        records,
        first_seen_ms,
        last_seen_ms,
        _hourly(hours),
        muted_until_ms,
    )


def _stats(rows: Iterable[Sequence[Any]]) -> Stats:
    by_state: Counter[str] = Counter()
    by_target: Counter[str | None] = Counter()
    by_code: Counter[str] = Counter()
    oldest: list[int] = []
    hours: list[tuple[int, int]] = []
    for state, target, code, hour, number, first_seen_ms in rows:
        by_state[state] += number
        if hour is not None:
            hours.append((hour, number))
        if state == OPEN:
            by_target[target] += number
            by_code[code] += number
            oldest.append(first_seen_ms)
    return Stats(
        dict(by_state), dict(by_target), dict(by_code), min(oldest, default=None), _hourly(hours)
    )


def _hourly(hours: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return counts by hours ago as one count for each of the last hours, the oldest first."""
    counts = [0] * _HOURS
    for ago, number in hours:
        counts[max(_HOURS - 1 - ago, 0)] += number
    return tuple(counts)
