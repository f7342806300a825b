"""From a dead letter and a wish to the operation that takes its place. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from syncpipe.core.codec import encode
from syncpipe.core.collection import VersionSource
from syncpipe.core.declaration import check_data
from syncpipe.core.document import untagged
from syncpipe.core.masking import without_values
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.version import MAX_VERSION, next_version
from syncpipe.errors import InvalidVersion, NotPossible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.core.version import Stamp


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants an operation to be instead."""

    #: Fields, or amounts, and their new values as JSON has them, with the tags of documents;
    #: numbers with a fraction as Decimal, where they have to stay exact.
    sets: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    #: Fields that it does not name any more.
    removes: frozenset[str] = frozenset()
    #: Whether it gets a new version, so that it wins over what was written since.
    as_of_now: bool = False
    #: Its version, where the source of the data gives them, and it gets a new one.
    version: int | None = None


def edited(
    original: Operation,
    wish: Wish,
    collection: Collection,
    *,
    id_: bytes,
    now_ms: int,
    newest: Stamp,
) -> Operation:
    """Return the operation with the new *id_* that *wish* makes of *original*.

    It is due at once, never expires and belongs to no group: the original's has ended. *newest* is
    the stamp of what the record has, as far as it is known.

    Raises:
        InvalidOperation: it is none that a client could send.
        NotPossible: there would be no difference, or a field that is to be removed is not there.

    """
    data = None if original.data is None else _data(original, wish)
    operation = Operation(
        id_,
        original.kind,
        original.collection,
        original.key,
        _version(original, wish, collection, now_ms=now_ms, newest=newest),
        data,
    )
    check_data(operation.kind, collection, operation.key, data)
    encode(operation)  # raises if it is too large
    if operation.version == original.version and not changed_fields(original, operation):
        raise NotPossible("The edited operation would be the same as the original.")
    return operation


def changed_fields(original: Operation, operation: Operation) -> list[str]:
    """Return the names of the fields in which the two differ, sorted."""
    before, after = original.fields, operation.fields
    names = before.keys() | after.keys()
    return sorted(
        name
        for name in names
        if (name in before) is not (name in after)
        or type(before[name]) is not type(after[name])
        or before[name] != after[name]
    )


def edited_letter(letter: DeadLetter, original: Operation, operation: Operation) -> DeadLetter:
    """Return *letter* with *operation* in the place of its *original*.

    What the original was refused for stays, without the original's values: nobody could tell them
    from words any more.
    """
    return replace(
        letter,
        raw=encode(operation),
        operation_id=operation.uuid,
        version=operation.version,
        message=without_values(letter.message, original),
        attempts=tuple(
            attempt._replace(message=without_values(attempt.message, original))
            for attempt in letter.attempts
        ),
    )


def _data(original: Operation, wish: Wish) -> dict[str, Any]:
    if absent := wish.removes - original.fields.keys():
        raise NotPossible(f"The operation has no field {min(absent)!r} that could be removed.")
    data = {name: v for name, v in original.fields.items() if name not in wish.removes}
    for name, value in wish.sets.items():
        exact = original.kind is Kind.INCREMENT or isinstance(data.get(name), Decimal)
        data[name] = untagged(value, exact=exact)
    return data


def _version(
    original: Operation, wish: Wish, collection: Collection, *, now_ms: int, newest: Stamp
) -> int:
    if collection.version is VersionSource.HLC:
        if wish.version is not None:
            raise InvalidVersion(f"Collection {collection.name!r} gives versions by the clock.")
        if not wish.as_of_now:
            return original.version
        return next_version(now_ms, after=max(original.version, newest.version))
    if wish.as_of_now and wish.version is None:
        raise InvalidVersion(f"The source of {collection.name!r} gives versions: give a new one.")
    version = original.version if wish.version is None else wish.version
    if not 0 < version <= MAX_VERSION:
        raise InvalidVersion(f"{version} is no version.")
    return version
