"""The way of operations that arrive out of order, and of increments.

Records are locked, each operation is judged against what is remembered, and the pure merge decides
what to write; all in one transaction. The fast path hands over what it could not decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from syncpipe.core import delta as deltas_
from syncpipe.core.change import Change, recounted, resolve
from syncpipe.core.collection import VersionSource
from syncpipe.core.delta import Delta, Increment
from syncpipe.core.document import read_number
from syncpipe.core.memory import Memory, judge, recall
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome, Result
from syncpipe.core.version import Stamp
from syncpipe.errors import TooLate
from syncpipe.targets.postgres import payload
from syncpipe.targets.postgres.payload import record_of
from syncpipe.targets.postgres.statements import own_tables, statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

    from syncpipe.targets.postgres.payload import Record
    from syncpipe.targets.target import Group


@dataclass(frozen=True, slots=True)
class Locked:
    """A locked record."""

    #: What is remembered of it.
    memory: Memory
    #: Its own floor, where an open dead letter keeps what it needs.
    floor: int | None
    #: Present JSON values of the fields that are to be incremented.
    current: Mapping[str, Any] = field(default_factory=dict)


class Layout(Protocol):
    """How records and their memory lie in tables."""

    def lock(
        self, connection: psycopg.Connection[Any], deltas: Mapping[Record, tuple[Group, Delta]]
    ) -> dict[Record, Locked]:
        """Lock records in key order, making their memory where there is none."""
        ...

    def write(
        self, connection: psycopg.Connection[Any], changes: Sequence[tuple[Group, Change]]
    ) -> None:
        """Write changes to locked records."""
        ...


class Merging:
    """Applies operations to locked records."""

    def __init__(self, schema: str) -> None:
        """Prepare the statements for *schema*."""
        tables = own_tables(schema)
        self._floors, self._declare = (
            statement("increments", name, collections=tables["collections"])
            for name in ("floors", "declare")
        )
        self._known, self._history, self._count = (
            statement("increments", name, increments=tables["increments"])
            for name in ("known", "history", "count")
        )
        self._documents = statement("documents", "recall", documents=tables["documents"])
        self._records = statement("records", "recall", records=tables["records"])

    def apply(
        self, connection: psycopg.Connection[Any], layout: Layout, groups: Sequence[Group]
    ) -> list[Result]:
        """Apply *groups*, in any order relative to what is stored, in one transaction."""
        deltas = {record_of(group): (group, deltas_.fold(group.operations)) for group in groups}
        with connection.transaction():
            floors = self._lock_floors(connection, groups)
            locked = layout.lock(connection, deltas)
            known = self._known_increments(connection, groups)
            results: list[Result] = []
            effective: list[tuple[Group, Locked, Delta]] = []
            for record, (group, _) in deltas.items():
                state = locked[record]
                floor = state.floor if state.floor is not None else floors.get(record[0], 0)
                judged = _judge_all(group, state.memory, known.get(record, frozenset()), floor)
                results += judged
                if left := [r.operation for r in judged if r.outcome in _EFFECTIVE]:
                    effective.append((group, state, deltas_.fold(left)))
            self._write(connection, layout, effective)
        return results

    def seen(self, connection: psycopg.Connection[Any], groups: Sequence[Group]) -> set[bytes]:
        """Return the ids of those operations of *groups* that are remembered; locks nothing."""
        memories = self._recall_all(connection, groups)
        counted = self._known_increments(connection, groups)
        return {
            operation.id
            for group in groups
            if (memory := memories.get(record_of(group)))
            for operation in group.operations
            if judge(operation, memory, counted.get(record_of(group), ())) is Outcome.DUPLICATE
        }

    def _write(
        self,
        connection: psycopg.Connection[Any],
        layout: Layout,
        effective: Sequence[tuple[Group, Locked, Delta]],
    ) -> None:
        if not effective:
            return
        history = self._read_history(connection, effective)
        changes = []
        for group, state, delta in effective:
            current = {name: read_number(value) for name, value in state.current.items()}
            ledger = history.get(record_of(group), ())
            changes.append((group, resolve(state.memory, delta, current=current, ledger=ledger)))
        layout.write(connection, changes)
        counted = [
            (record_of(g), i) for g, _, delta in effective for i in delta.increments.values()
        ]
        if counted:
            rows = payload.increments_counted(counted)
            connection.execute(self._count, {"increments": rows})

    def _lock_floors(
        self, connection: psycopg.Connection[Any], groups: Iterable[Group]
    ) -> dict[str, int]:
        names = sorted({g.collection.name for g in groups if g.collection.version is _HLC})
        floors = dict(connection.execute(self._floors, {"collections": names}).fetchall())
        if len(floors) < len(names):
            connection.execute(self._declare, {"collections": names})
            floors = dict(connection.execute(self._floors, {"collections": names}).fetchall())
        return floors

    def _recall_all(
        self, connection: psycopg.Connection[Any], groups: Sequence[Group]
    ) -> dict[Record, Memory]:
        """Return what is remembered, of documents and of rows; no table of the user is needed."""
        found: dict[Record, Memory] = {}
        for query, in_table in ((self._documents, False), (self._records, True)):
            asked = [g for g in groups if (g.collection.table is not None) is in_table]
            if not asked:
                continue
            rows = connection.execute(query, {"keys": payload.keys(map(record_of, asked))})
            for collection, key, version, tie, detail in rows:
                found[collection, key] = recall(Stamp(version, tie), detail)
        return found

    def _known_increments(
        self, connection: psycopg.Connection[Any], groups: Iterable[Group]
    ) -> dict[Record, set[bytes]]:
        known: dict[Record, set[bytes]] = {}
        asked = [(record_of(group), ids) for group in groups if (ids := _increment_ids(group))]
        if not asked:
            return known
        wanted = payload.increment_ids(asked)
        for collection, key, id_ in connection.execute(self._known, {"increments": wanted}):
            known.setdefault((collection, key), set()).add(id_.bytes)
        return known

    def _read_history(
        self,
        connection: psycopg.Connection[Any],
        effective: Iterable[tuple[Group, Locked, Delta]],
    ) -> dict[Record, list[Increment]]:
        """Return the earlier increments of the records where a late value moves below them."""
        wanted = [
            (record_of(group), state.memory.base.version)
            for group, state, delta in effective
            if recounted(state.memory, delta)
        ]
        history: dict[Record, list[Increment]] = {}
        if not wanted:
            return history
        rows = connection.execute(self._history, {"keys": payload.keys_since(wanted)})
        for collection, key, id_, version, tie, amounts in rows:
            exact = {name: read_number(amount) for name, amount in amounts.items()}
            increment = Increment(id_.bytes, Stamp(version, tie), exact)
            history.setdefault((collection, key), []).append(increment)
        return history


_HLC = VersionSource.HLC
_EFFECTIVE = {Outcome.APPLIED, Outcome.MERGED}


def incremented_fields(delta: Delta) -> list[str]:
    """Return the names of the fields that *delta* increments."""
    return sorted({name for i in delta.increments.values() for name in i.amounts})


def written_results(records: Iterable[Sequence[Operation]]) -> list[Result]:
    """Return the results of operations of *records*, each in version order, one write for each."""
    results: list[Result] = []
    applied, merged = Outcome.APPLIED, Outcome.MERGED
    for operations in records:
        if len(operations) > 1:
            results += [Result(operation, merged) for operation in operations[:-1]]
        results += [Result(operation, applied) for operation in operations[-1:]]
    return results


def _judge_all(group: Group, memory: Memory, known: Iterable[bytes], floor: int) -> list[Result]:
    known = frozenset(known)
    effective: list[Operation] = []
    results: list[Result] = []
    for operation in group.operations:
        outcome = judge(operation, memory, known, floor)
        if outcome is Outcome.APPLIED:
            effective.append(operation)
        elif outcome is Outcome.TOO_LATE:
            results.append(Result(operation, outcome, _too_late(operation)))
        else:
            results.append(Result(operation, outcome))
    return results + written_results([effective])


def _too_late(operation: Operation) -> TooLate:
    return TooLate(
        f"Operation {operation.uuid} (version {operation.version}) is older than the horizon of "
        f"{operation.collection!r}, and what would be needed to judge it was collected."
    )


def _increment_ids(group: Group) -> list[bytes]:
    return [each.id for each in group.operations if each.kind is Kind.INCREMENT]
