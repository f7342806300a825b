"""Stage four: the operations of one record come together, each once, in version order."""

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
    """Return *batch* with its operations grouped by record; further copies are set aside.

    Of several copies that one goes on which tells of most attempts.
    """
    unique: dict[Identity, Item] = {}
    copies: list[Item] = []
    for item in batch.items:
        key = identity(item.operation)
        other = unique.setdefault(key, item)
        if other is item:
            continue
        if len(item.attempts) > len(other.attempts):
            unique[key], item = item, other  # noqa: PLW2901
        copies.append(item)
    return replace(
        batch,
        items=tuple(unique.values()),
        groups=grouped([item.operation for item in unique.values()], collections),
        settled=(*batch.settled, *(Settled(copy, Outcome.DUPLICATE, _STAGE) for copy in copies)),
    )


def grouped(
    operations: Iterable[Operation], collections: Mapping[str, Collection]
) -> tuple[Group, ...]:
    """Return *operations*, each of which is there once, by record and in version order."""
    records: dict[tuple[str, str], list[Operation]] = {}
    for operation in operations:
        records.setdefault((operation.collection, operation.key), []).append(operation)
    return tuple(
        Group(collections[collection], key, _in_order(members))
        for (collection, key), members in records.items()
    )


def _in_order(operations: list[Operation]) -> tuple[Operation, ...]:
    if len(operations) > 1:
        operations.sort(key=_stamp)
    return tuple(operations)


def _stamp(operation: Operation) -> tuple[int, int]:
    return operation.stamp


def copies_in(batch: Batch) -> Iterable[Settled]:
    """Return the operations of *batch* that are further copies of one in it."""
    return (settled for settled in batch.settled if settled.stage == _STAGE)
