"""Stage three: the operations of one record come together, each once, in version order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.pipeline.batch import Batch, Settled
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.pipeline.batch import Item

#: What tells operations apart: collection, key, and id. An id that somebody gave to operations on
#: two records names two operations.
Identity = tuple[str, str, bytes]
_STAGE = "fold"


def identity(operation: Operation) -> Identity:
    """Return what tells *operation* apart from every other."""
    return operation.collection, operation.key, operation.id


def fold(batch: Batch, collections: Mapping[str, Collection]) -> Batch:
    """Return *batch* with its operations grouped by record; second copies are set aside."""
    unique: dict[Identity, Item] = {}
    copies = [
        Settled(item, Outcome.DUPLICATE, _STAGE)
        for item in batch.items
        if unique.setdefault(identity(item.operation), item) is not item
    ]
    records: dict[tuple[str, str], list[Operation]] = {}
    for (collection, key, _), item in unique.items():
        records.setdefault((collection, key), []).append(item.operation)
    groups = tuple(
        Group(collections[collection], key, _in_order(operations))
        for (collection, key), operations in records.items()
    )
    items = tuple(unique.values())
    return replace(batch, items=items, groups=groups, settled=(*batch.settled, *copies))


def _in_order(operations: list[Operation]) -> tuple[Operation, ...]:
    if len(operations) > 1:
        operations.sort(key=_stamp)
    return tuple(operations)


def _stamp(operation: Operation) -> tuple[int, int]:
    return operation.stamp


def copies_in(batch: Batch) -> Iterable[Settled]:
    """Return the operations of *batch* that are further copies of one in it."""
    return (settled for settled in batch.settled if settled.stage == _STAGE)
