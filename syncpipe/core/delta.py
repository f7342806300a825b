"""The folded effect of several operations on one record.

A delta keeps what the reference fold would need to know if more operations came: the newest upsert
or delete (its *base*), per field the newest patch above the base, and the increments above what set
their field, listed by id. `merge` is a join: associative, commutative and idempotent, as in
state-based CRDTs (Shapiro et al., *Conflict-free Replicated Data Types*, 2011), so grouping and
order cannot matter. A single version per folded record would not be enough: ``put@1{a,b}`` with
``patch@3{a}`` must still take a late ``patch@2{b}``.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from syncpipe.core.numbers import add, number
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.version import ZERO, Stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Write(msgspec.Struct, frozen=True):
    """A patched field: when, and to what; None removes it."""

    #: Stamp of the patch.
    stamp: Stamp
    #: The new value.
    value: Any


class Increment(msgspec.Struct, frozen=True):
    """An increment that is not folded into a number yet."""

    #: Operation id.
    id: bytes
    #: Its stamp.
    stamp: Stamp
    #: Amounts by field.
    amounts: Mapping[str, Any]


#: What most deltas have of both; one for all, because there are very many.
_NO_WRITES: Mapping[str, Write] = MappingProxyType({})
_NO_INCREMENTS: Mapping[bytes, Increment] = MappingProxyType({})
#: Kinds of operations that leave nothing of what is older.
BASES = frozenset({Kind.UPSERT, Kind.DELETE})


class Delta(msgspec.Struct, frozen=True):
    """The folded effect of operations on one record."""

    #: Stamp of the newest upsert or delete; `ZERO` when there is none.
    base: Stamp = ZERO
    #: Fields of that upsert; None for a delete, or when there is none.
    document: Mapping[str, Any] | None = None
    #: Newest patch of each field above the base.
    writes: Mapping[str, Write] = _NO_WRITES
    #: Increments above the base and above what set their field, by id.
    increments: Mapping[bytes, Increment] = _NO_INCREMENTS

    @property
    def oldest(self) -> Stamp:
        """Stamp of the oldest operation that still has a say."""
        return min(self._stamps(), default=ZERO)

    @property
    def newest(self) -> Stamp:
        """Stamp of the newest operation."""
        return max(self._stamps(), default=ZERO)

    def _stamps(self) -> Iterable[Stamp]:
        if self.base != ZERO:
            yield self.base
        for write in self.writes.values():
            yield write.stamp
        for increment in self.increments.values():
            yield increment.stamp


def delta_of(operation: Operation) -> Delta:
    """Return the effect of one operation."""
    stamp = operation.stamp
    match operation.kind:
        case Kind.UPSERT | Kind.DELETE:
            return Delta(base=stamp, document=operation.contents)
        case Kind.PATCH:
            return Delta(writes={name: Write(stamp, v) for name, v in operation.fields.items()})
        case Kind.INCREMENT:
            increment = Increment(operation.id, stamp, operation.fields)
            return Delta(increments={operation.id: increment})


def merge(left: Delta, right: Delta) -> Delta:
    """Return the joint effect of both, whichever came first."""
    newer = left if left.base >= right.base else right
    writes = {
        name: write
        for name in left.writes.keys() | right.writes.keys()
        if (write := _newer_write(left.writes.get(name), right.writes.get(name))).stamp > newer.base
    }
    increments = {
        increment.id: increment
        for increment in (*left.increments.values(), *right.increments.values())
        if any(increment.stamp > _setter(newer.base, writes, name) for name in increment.amounts)
    }
    return Delta(newer.base, newer.document, writes, increments)


def fold(operations: Sequence[Operation]) -> Delta:
    """Return the joint effect of *operations* on one record, in any order, with any repetition."""
    if not operations:
        return Delta()
    if len(operations) == 1:
        return delta_of(operations[0])
    # In halves, because a delta grows with its increments: n log n steps instead of n squared.
    middle = len(operations) // 2
    return merge(fold(operations[:middle]), fold(operations[middle:]))


def document_of(delta: Delta) -> dict[str, Any] | None:
    """Return the document that *delta* makes of nothing, None if the record does not exist."""
    if delta.document is None and not delta.writes and not delta.increments:
        return None
    document = dict(delta.document or {})
    for name, write in delta.writes.items():
        if write.value is None:
            document.pop(name, None)
        else:
            document[name] = write.value
    for increment in delta.increments.values():
        for name, amount in increment.amounts.items():
            if increment.stamp > _setter(delta.base, delta.writes, name):
                document[name] = add(number(document.get(name)), amount)
    return document


def _newer_write(left: Write | None, right: Write | None) -> Write:
    if left is None or (right is not None and right.stamp > left.stamp):
        assert right is not None  # noqa: S101 - the name came from one of the two
        return right
    return left


def _setter(base: Stamp, writes: Mapping[str, Write], name: str) -> Stamp:
    write = writes.get(name)
    return base if write is None else write.stamp
