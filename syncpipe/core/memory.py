"""What a target remembers about one record, so that it can judge whatever arrives, in any order.

In the common case this is one stamp: the newest operation's. Only while patches or increments stand
above the base is there a `detail`, with one stamp per such field, as compact JSON::

    {"b": [version, tie], "f": {"city": [version, tie]}, "i": {"stock": [version, tie]}}

``b`` is the base (the newest upsert or delete), ``f`` the fields patched above it, ``i`` for each
incremented field the newest increment above what set it. Without detail the newest stamp is the
base.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.core.version import ZERO, Stamp

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of one record; the default is a record nobody has written yet."""

    #: Stamp of the newest upsert or delete.
    base: Stamp = ZERO
    #: Stamp of the newest patch of each field, above the base.
    writes: Mapping[str, Stamp] = field(default_factory=dict)
    #: Stamp of the newest increment of each field, above what set it.
    counted: Mapping[str, Stamp] = field(default_factory=dict)

    @property
    def newest(self) -> Stamp:
        """Stamp of the newest operation."""
        return max((self.base, *self.writes.values(), *self.counted.values()))

    def setter(self, name: str) -> Stamp:
        """Return the stamp of what set the field *name*."""
        return self.writes.get(name, self.base)

    def detail(self) -> dict[str, Any] | None:
        """Return the JSON detail, None in the common case."""
        if not self.writes and not self.counted:
            return None
        detail: dict[str, Any] = {"b": self.base}
        if self.writes:
            detail["f"] = dict(self.writes)
        if self.counted:
            detail["i"] = dict(self.counted)
        return detail


def recall(newest: Stamp, detail: Mapping[str, Any] | None) -> Memory:
    """Return the memory stored as *newest* and *detail*, without entries that cannot matter."""
    if detail is None:
        return Memory(base=newest)
    base = Stamp(*detail["b"])
    writes = {name: Stamp(*pair) for name, pair in detail.get("f", {}).items()}
    writes = {name: stamp for name, stamp in writes.items() if stamp > base}
    counted = {name: Stamp(*pair) for name, pair in detail.get("i", {}).items()}
    counted = {name: s for name, s in counted.items() if s > writes.get(name, base)}
    return Memory(base, writes, counted)


def judge(
    operation: Operation, memory: Memory, known: Collection[bytes] = (), floor: int = 0
) -> Outcome:
    """Return what *operation* is to a record: `APPLIED` when it still changes something.

    Args:
        operation: the operation that arrived.
        memory: what the target remembers of its record.
        known: ids of increments in the record's ledger, where *operation* may be one.
        floor: version at or below which the ledger and tombstones were collected.

    """
    stamp = operation.stamp
    if operation.id in known or _is_remembered(operation, stamp, memory):
        return Outcome.DUPLICATE
    if not _changes(operation, stamp, memory):
        return Outcome.SUPERSEDED
    return Outcome.TOO_LATE if operation.version <= floor else Outcome.APPLIED


def _is_remembered(operation: Operation, stamp: Stamp, memory: Memory) -> bool:
    if operation.kind is Kind.INCREMENT:
        return False
    return stamp == memory.base or any(memory.writes.get(f) == stamp for f in operation.fields)


def _changes(operation: Operation, stamp: Stamp, memory: Memory) -> bool:
    if operation.kind in {Kind.UPSERT, Kind.DELETE}:
        return stamp > memory.base
    return any(stamp > memory.setter(name) for name in operation.fields)
