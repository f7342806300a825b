"""Stage four: the operations of one record come together, each once, in version order."""

from __future__ import annotations

import operator
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.core.version import TIE_BYTES
from syncpipe.pipeline.batch import Batch, Settled
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.pipeline.batch import Item

#: What tells operations apart: collection, key, and id. An id that somebody gave to operations on
#: two records names two operations.
Identity = tuple[str, str, bytes]
_STAGE = "fold"
_operation = operator.attrgetter("operation")
_collection, _key = operator.attrgetter("collection"), operator.attrgetter("key")
_id, _version = operator.attrgetter("id"), operator.attrgetter("version")


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
    items: Sequence[Item], collections: Mapping[str, Collection]
) -> tuple[list[Group], list[Item]]:
    """Return the operations of *items* by record and in version order, and further copies.

    Of several copies that one goes on which tells of most attempts.
    """
    operations = list(map(_operation, items))
    records = _records(operations)
    if len(set(records)) == len(records):  # each is alone with its record
        declared = map(collections.__getitem__, map(_collection, operations))
        return list(map(Group, declared, map(_key, operations), zip(operations, strict=True))), []
    copies: list[Item] = []
    if len(set(map(_id, operations))) < len(operations):
        unique, copies = _unique(items)
        operations = list(map(_operation, unique))
        records = _records(operations)
    together: defaultdict[Hashable, list[Operation]] = defaultdict(list)
    for record, operation in zip(records, operations, strict=True):
        together[record].append(operation)
    groups = [
        Group(collections[each[0].collection], each[0].key, _ordered(each))
        for each in together.values()
    ]
    return groups, copies


def _records(operations: Sequence[Operation]) -> Sequence[Hashable]:
    """Return what tells apart the records of *operations*: mostly the key alone will do."""
    names, keys = list(map(_collection, operations)), list(map(_key, operations))
    return keys if len(set(names)) == 1 else list(zip(names, keys, strict=True))


def _unique(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Return *items* without further copies, and these."""
    unique: dict[Identity, Item] = {}
    copies: list[Item] = []
    for item in items:
        same = identity(item.operation)
        other = unique.setdefault(same, item)
        if other is item:
            continue
        if len(item.attempts) > len(other.attempts):
            unique[same], item = item, other  # noqa: PLW2901
        copies.append(item)
    return list(unique.values()), copies


def _ordered(operations: list[Operation]) -> tuple[Operation, ...]:
    """Return *operations*, which are on one record, in version order: that in which most come."""
    versions = list(map(_version, operations))
    if not all(map(operator.lt, versions, versions[1:])):
        operations.sort(key=_stamp)
    return tuple(operations)


def _stamp(operation: Operation) -> tuple[int, bytes]:
    """Return what has the order of stamps: a tie is the end of an id, read as a number."""
    return operation.version, operation.id[-TIE_BYTES:]


def copies_in(batch: Batch) -> Iterable[Settled]:
    """Return the operations of *batch* that are further copies of one in it."""
    return (settled for settled in batch.settled if settled.stage == _STAGE)
