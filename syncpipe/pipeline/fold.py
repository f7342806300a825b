"""Stage four: the operations of one record come together, each once, in version order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.core.version import TIE_BYTES
from syncpipe.pipeline.batch import Batch, Settled
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    """Return *batch* with its operations grouped by record; further copies are set aside."""
    groups, copies = grouped(batch.items, collections)
    batch = replace(batch, groups=tuple(groups))
    if not copies:
        return batch
    aside = set(map(id, copies))
    return replace(
        batch,
        items=tuple(item for item in batch.items if id(item) not in aside),
        settled=(*batch.settled, *(Settled(copy, Outcome.DUPLICATE, _STAGE) for copy in copies)),
    )


def grouped(
    items: Iterable[Item], collections: Mapping[str, Collection]
) -> tuple[list[Group], list[Item]]:
    """Return the operations of *items* by record and in version order, and further copies.

    Of several copies that one goes on which tells of most attempts.
    """
    first: dict[tuple[str, str], Item] = {}
    further: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        record = item.operation.collection, item.operation.key
        if first.setdefault(record, item) is not item:
            further.setdefault(record, []).append(item)
    groups: list[Group] = []
    copies: list[Item] = []
    for record, item in first.items():
        collection, key = record
        if more := further.get(record):
            unique, repeated = _unique([item, *more])
            copies += repeated
            operations = tuple(sorted([each.operation for each in unique], key=_order))
            plain = all(each.origin.plain for each in unique)
        else:
            operations, plain = (item.operation,), item.origin.plain
        groups.append(Group(collections[collection], key, operations, plain))
    return groups, copies


def _unique(items: Sequence[Item]) -> tuple[Iterable[Item], Sequence[Item]]:
    """Return *items*, which are on one record, without further copies, and these."""
    if len({item.operation.id for item in items}) == len(items):
        return items, ()
    unique: dict[bytes, Item] = {}
    copies: list[Item] = []
    for item in items:
        other = unique.setdefault(item.operation.id, item)
        if other is item:
            continue
        if len(item.attempts) > len(other.attempts):
            unique[item.operation.id], item = item, other  # noqa: PLW2901
        copies.append(item)
    return unique.values(), copies


def _order(operation: Operation) -> tuple[int, bytes]:
    """Return what has the order of stamps: a tie is the end of an id, read as a number."""
    return operation.version, operation.id[-TIE_BYTES:]


def copies_in(batch: Batch) -> Iterable[Settled]:
    """Return the operations of *batch* that are further copies of one in it."""
    return (settled for settled in batch.settled if settled.stage == _STAGE)
