"""Dead letters in the table ``dead_letters``."""

from __future__ import annotations

import json
import uuid
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg import sql

from syncpipe.core.attempt import attempts_of
from syncpipe.core.deadletter import DeadLetter, encode_dead, operation_of
from syncpipe.core.document import json_object, tagged
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import MalformedEnvelope
from syncpipe.store.deadletters import Change, Kept
from syncpipe.store.groups import death_of
from syncpipe.store.postgres.groups import Deaths
from syncpipe.store.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from syncpipe.core.operation import Operation
    from syncpipe.store.postgres.connections import Connections

#: Place of the attempts among the members of a letter.
_ATTEMPTS = [field.name for field in fields(DeadLetter)].index("attempts")
#: What PostgreSQL says of a value that it cannot hold: of no form of its type, or too large.
_UNFIT = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)


class PostgresLetters:
    """Keeps dead letters; implements the port `KeptLetters`."""

    def __init__(self, connections: Connections, schema: str) -> None:
        """Use *connections* to the store with the tables in *schema*."""
        self._connections = connections
        self._deaths = Deaths(schema)
        slots: dict[str, sql.Composable] = {
            "schema": sql.Identifier(schema),
            "whole": statement("deadletters", "whole"),
        }
        names = ("insert", "present", "update", "find", "wait", "open_keys", "count")
        self._statements = {name: statement("deadletters", name, **slots) for name in names}

    def record(self, letters: Sequence[DeadLetter]) -> list[Kept]:
        """Keep *letters*, as `KeptLetters.record` promises."""
        if not letters:
            return []
        with self._connections.current() as connection:
            try:
                return self._record(connection, letters)
            except _UNFIT:
                return [self._record_alone(connection, letter) for letter in letters]

    def find(self, id_: str) -> list[Kept]:
        """Return those whose own id, or whose operation's id, is *id_*."""
        try:
            arguments = {"id": str(uuid.UUID(id_))}
        except ValueError:
            return []
        with self._connections.current() as connection:
            rows = connection.execute(self._statements["find"], arguments).fetchall()
        return [kept_of(row) for row in rows]

    def open_keys(self, target: str) -> dict[str, set[str]]:
        """Return the keys of those of *target* that can be sent again, by collection."""
        keys: dict[str, set[str]] = {}
        with self._connections.current() as connection, connection.transaction():
            connection.execute(self._statements["wait"])
            rows = connection.execute(self._statements["open_keys"], {"target": target})
            for collection, key in rows:
                keys.setdefault(collection, set()).add(key)
        return keys

    def count(self) -> int:
        """Return how many are open."""
        with self._connections.current() as connection:
            row = connection.execute(self._statements["count"]).fetchone()
        return cast("tuple[int]", row)[0]

    def _record(
        self, connection: psycopg.Connection[Any], letters: Iterable[DeadLetter], **forced: Any
    ) -> list[Kept]:
        """Keep *letters* in one transaction; *forced* takes the place of what a column gets."""
        arrived: dict[str, list[DeadLetter]] = {}
        for letter in sorted(letters, key=lambda each: (each.id, each.died_ms)):
            arrived.setdefault(letter.id, []).append(letter)
        fresh = {id_: _folded(Kept.new(first), more) for id_, (first, *more) in arrived.items()}
        inserted: set[str] = set()
        before: dict[str, Kept] = {}
        with connection.transaction(), connection.cursor() as cursor:
            while left := [id_ for id_ in fresh if id_ not in inserted and id_ not in before]:
                # Again, if what was there has been purged between the two statements.
                rows = [row_of(fresh[id_]) | forced for id_ in left]
                cursor.executemany(self._statements["insert"], rows, returning=True)
                inserted |= {id_ for (id_,) in _results(cursor)}
                if ids := [id_ for id_ in left if id_ not in inserted]:
                    present = cursor.execute(self._statements["present"], {"ids": ids})
                    before |= {kept.id: kept for kept in map(kept_of, present)}
            after = [_folded(kept, arrived[kept.id]) for kept in before.values()]
            changed = [row_of(kept) for kept in after if kept != before[kept.id]]
            cursor.executemany(self._statements["update"], changed)
            deaths = [death_of(letter) for letters in arrived.values() for letter in letters]
            self._deaths.record(connection, [death for death in deaths if death])
        return [*(fresh[id_] for id_ in inserted), *after]

    def _record_alone(self, connection: psycopg.Connection[Any], letter: DeadLetter) -> Kept:
        """Keep *letter* with as much of it as the table can hold: its bytes at least."""
        try:
            return self._record(connection, [letter])[0]
        except _UNFIT:
            pass
        try:
            return self._record(connection, [letter], decoded=None)[0]
        except _UNFIT:
            return self._record(connection, [_unreadable(letter)])[0]


def _folded(kept: Kept, letters: Iterable[DeadLetter]) -> Kept:
    for letter in letters:
        kept = kept.again(letter)
    return kept


def _results(cursor: psycopg.Cursor[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of each statement of an `executemany`."""
    more: bool | None = True
    while more:
        yield from cursor
        more = cursor.nextset()


def row_of(kept: Kept) -> dict[str, Any]:
    """Return what the columns of *kept* get, by name."""
    letter = kept.letter
    texts = {
        "target": letter.target,
        "fingerprint": letter.fingerprint,
        **{name: getattr(letter, name) for name in _TEXTS},
    }
    return {
        "id": kept.id,
        "raw": letter.raw,
        "decoded": _decoded(operation_of(letter)),
        "operation_id": letter.operation_id,
        "version": letter.version,
        "status": letter.status,
        "attempts": json.dumps([list(map(_storable, each)) for each in letter.attempts]),
        "first_seen_ms": kept.first_seen_ms,
        "last_seen_ms": kept.last_seen_ms,
        "times_seen": kept.times_seen,
        "edited_from": kept.edited_from,
        "state": kept.state,
        "changed_ms": kept.change and kept.change.at_ms,
        "changed_by": kept.change and _storable(kept.change.actor),
        "reason": kept.change and _storable(kept.change.reason),
        **{name: _storable(text) for name, text in texts.items()},
    }


_TEXTS = (
    *("queue", "collection", "key", "stage", "code", "message", "sqlstate", "constraint"),
    *("endpoint", "trace", "worker"),
)


def _storable(value: Any) -> Any:
    """Return *value* as PostgreSQL can hold it, if it is a text: without NUL."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def _decoded(operation: Operation | None) -> str | None:
    """Return what is in *operation* beside what has columns of its own, as JSON.

    None where it has values that no client sends, and no JSON holds: its bytes are kept.
    """
    if operation is None:
        return None
    try:
        return _members(operation)
    except (LookupError, TypeError, ValueError, RecursionError):
        return None


def _members(operation: Operation) -> str:
    members = {
        "kind": json.dumps(operation.kind.word),
        "data": tagged(None if operation.contents is None else dict(operation.contents)),
    }
    for name in ("not_before_ms", "expires_ms"):
        if moment := getattr(operation, name):
            members[name] = str(moment)
    if operation.group_id is not None:
        members["group_id"] = json.dumps(str(uuid.UUID(bytes=operation.group_id)))
    return json_object(members)


def kept_of(row: Sequence[Any]) -> Kept:
    """Return what the statement ``whole`` has selected."""
    id_, *members = row[:-9]
    first_seen_ms, times_seen, state, changed_ms, changed_by, reason, *links = row[-9:]
    members[_ATTEMPTS] = attempts_of(members[_ATTEMPTS])
    change = None if changed_ms is None else Change(changed_ms, changed_by or "", reason or "")
    return Kept(id_, DeadLetter(*members), first_seen_ms, times_seen, state, change, *links)


def _unreadable(letter: DeadLetter) -> DeadLetter:
    """Return *letter*, whose members the table cannot hold, as a message that nobody can read."""
    return DeadLetter(
        raw=encode_dead(letter),
        queue=DEAD_QUEUE,
        stage="decode",
        code=MalformedEnvelope.code,
        message="The dead letter has members that the store cannot hold.",
        died_ms=letter.died_ms,
        worker=letter.worker,
    )
