"""A target in memory, which means the same as the real ones because it uses the same core."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncpipe.core import delta
from syncpipe.core.change import Change, recounted, resolve
from syncpipe.core.collection import VersionSource
from syncpipe.core.delta import Increment
from syncpipe.core.memory import Memory, judge
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome, Result
from syncpipe.core.version import at_milliseconds
from syncpipe.errors import TooLate
from syncpipe.targets.target import Collected, Present, apply_one_by_one

if TYPE_CHECKING:
    from collections.abc import Collection as Keys
    from collections.abc import Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.core.collection import Collection
    from syncpipe.core.version import Stamp
    from syncpipe.errors import TargetError
    from syncpipe.targets.target import Group, Judgement


@dataclass(slots=True)
class _Record:
    document: dict[str, Any] | None = None
    memory: Memory = field(default_factory=Memory)
    ledger: dict[bytes, Increment] = field(default_factory=dict)
    #: Its own floor, where an open dead letter keeps what it needs.
    floor: int | None = None


@dataclass(slots=True)
class _Failure:
    error: TargetError
    times: int | None
    key: str | None


class MemoryTarget:
    """A target in memory, as :class:`syncpipe.targets.target.Target`.

    Beyond the port it shows its records (`record`, `keys`) and can be broken (`fail`).
    """

    def __init__(self, name: str, *, clock: Clock) -> None:
        """Make an empty target called *name* whose own clock is *clock*."""
        self.name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._records: dict[tuple[str, str], _Record] = {}
        self._floors: dict[str, int] = {}
        self._failures: list[_Failure] = []

    def now_ms(self) -> int:
        """Return the target's own clock, milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def ping(self) -> None:
        """Do nothing: memory can always be reached."""

    def seen(self, groups: Sequence[Group]) -> set[bytes]:
        """Return the ids of those operations of *groups* that are known to have been applied."""
        with self._lock:
            return {
                operation.id
                for group in groups
                if (record := self._records.get((group.collection.name, group.key)))
                for operation in group.operations
                if judge(operation, record.memory, record.ledger) is Outcome.DUPLICATE
            }

    def read(self, collection: Collection, keys: Sequence[str]) -> dict[str, Present]:
        """Return the records of *keys* as they are now."""
        with self._lock:
            found = {key: self._records.get((collection.name, key)) or _Record() for key in keys}
            return {key: Present(each.document, each.memory) for key, each in found.items()}

    def apply(
        self,
        groups: Sequence[Group],
        *,
        now_ms: int,  # noqa: ARG002 - nothing in memory is dated
    ) -> list[Result]:
        """Apply the operations, all or none, and return one result for each.

        Raises:
            TargetError: what `fail` has planned.

        """
        with self._lock:
            self._raise_planned(groups)
            return [result for group in groups for result in self._apply(group)]

    def apply_each(self, groups: Sequence[Group], *, now_ms: int) -> list[Judgement]:
        """Apply each group for itself, and return an answer for each."""
        return apply_one_by_one(self, groups, now_ms=now_ms)

    def collect(self, collection: Collection, *, keep: Keys[str] = ()) -> Collected:
        """Forget what is older than the collection's horizon, except for the keys in *keep*."""
        if collection.version is VersionSource.SOURCE:
            return Collected()
        oldest_ms = max(self._clock.now_ms() - collection.horizon_s * 1000, 0)
        with self._lock:
            floor = self._floors.get(collection.name, 0)
            self._keep_floor(collection.name, keep, floor)
            floor = self._floors[collection.name] = max(floor, at_milliseconds(oldest_ms))
            return self._forget(collection.name, floor)

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def record(self, collection: str, key: str) -> dict[str, Any] | None:
        """Return the document at the canonical *key*, None if the record does not exist."""
        with self._lock:
            record = self._records.get((collection, key))
            return None if record is None or record.document is None else dict(record.document)

    def keys(self, collection: str) -> list[str]:
        """Return the canonical keys of the records that exist in *collection*, sorted."""
        with self._lock:
            return sorted(
                key
                for (name, key), record in self._records.items()
                if name == collection and record.document is not None
            )

    def fail(self, error: TargetError, *, times: int | None = 1, key: str | None = None) -> None:
        """Raise *error* in the next *times* calls of `apply`, in all of them if None.

        With the canonical *key*, only calls that hold this record fail, as when it alone is bad.
        """
        with self._lock:
            self._failures.append(_Failure(error, times, key))

    def _raise_planned(self, groups: Sequence[Group]) -> None:
        keys = {group.key for group in groups}
        for failure in self._failures:
            if failure.times == 0 or (failure.key is not None and failure.key not in keys):
                continue
            if failure.times is not None:
                failure.times -= 1
            raise failure.error

    def _apply(self, group: Group) -> list[Result]:
        record = self._records.setdefault((group.collection.name, group.key), _Record())
        floor = self._floors.get(group.collection.name, 0) if record.floor is None else record.floor
        judged = [(o, judge(o, record.memory, record.ledger, floor)) for o in group.operations]
        effective = [operation for operation, outcome in judged if outcome is Outcome.APPLIED]
        if effective:
            _write(record, effective)
        newest = max((operation.stamp for operation in effective), default=None)
        return [_result(operation, outcome, newest) for operation, outcome in judged]

    def _keep_floor(self, collection: str, keep: Keys[str], floor: int) -> None:
        """Let the records in *keep* stay at *floor*, and no others."""
        for key in keep:
            self._records.setdefault((collection, key), _Record())
        for (name, key), record in self._records.items():
            if name == collection:
                kept = floor if record.floor is None else record.floor
                record.floor = kept if key in keep else None

    def _forget(self, collection: str, floor: int) -> Collected:
        """Delete tombstones and ledger entries of *collection* up to *floor*."""
        mine = [
            (name, record)
            for name, record in self._records.items()
            if name[0] == collection and record.floor is None
        ]
        tombstones = [
            name for name, r in mine if r.document is None and r.memory.newest.version <= floor
        ]
        for name in tombstones:
            del self._records[name]
        forgotten = 0
        for _, record in mine:
            old = [i.id for i in record.ledger.values() if i.stamp.version <= floor]
            for id_ in old:
                del record.ledger[id_]
            forgotten += len(old)
        return Collected(floor, len(tombstones), forgotten)


def _write(record: _Record, effective: Sequence[Operation]) -> None:
    """Fold *effective* into the record, and remember its increments."""
    folded = delta.fold(effective)
    ledger = record.ledger.values() if recounted(record.memory, folded) else ()
    change = resolve(record.memory, folded, current=record.document or {}, ledger=ledger)
    record.document = _changed(record.document or {}, change)
    record.memory = change.memory
    record.ledger |= {
        operation.id: Increment(operation.id, operation.stamp, operation.fields)
        for operation in effective
        if operation.kind is Kind.INCREMENT
    }


def _changed(document: dict[str, Any], change: Change) -> dict[str, Any] | None:
    """Return the document after *change*, None if it no longer exists."""
    if not change.exists:
        return None
    if change.replace:
        kept = {name: value for name, value in document.items() if name in change.keep}
    else:
        kept = {name: value for name, value in document.items() if name not in change.removes}
    return {**kept, **change.sets}


def _result(operation: Operation, outcome: Outcome, newest: Stamp | None) -> Result:
    if outcome is Outcome.APPLIED and operation.stamp != newest:
        outcome = Outcome.MERGED
    if outcome is Outcome.TOO_LATE:
        return Result(operation, outcome, TooLate(f"{operation.uuid} is older than the horizon."))
    return Result(operation, outcome)
