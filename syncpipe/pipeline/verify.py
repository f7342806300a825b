"""Stage two: what the client promised is checked again, because anybody can write to a broker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncpipe.core.collection import VersionSource
from syncpipe.core.declaration import check_data
from syncpipe.core.keys import check_key, check_key_fields
from syncpipe.core.operation import MAX_DELAY_MS, Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.version import MAX_AHEAD_MS, milliseconds
from syncpipe.errors import InvalidOperation, UnexpectedMessage, VersionAhead
from syncpipe.pipeline.batch import Batch, Item, Settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation

_WITH_DOCUMENT = (Kind.UPSERT, Kind.PATCH)


@dataclass(frozen=True, slots=True)
class Declared:
    """What the configuration declares about one target."""

    #: Name of the target.
    target: str
    #: Every collection by name, whatever its targets.
    collections: Mapping[str, Collection]


def verify(batch: Batch, declared: Declared) -> Batch:
    """Return *batch* without the operations that break their collection's declaration.

    Which shard an operation came through does not matter: lanes only make things fast.
    """
    settled: list[Settled] = []
    for item in batch.items:
        try:
            _check(item, declared, batch.now_ms)
        except (UnexpectedMessage, VersionAhead) as error:
            settled.append(Settled(item, Outcome.DEAD, "verify", error))
    if not settled:
        return batch
    gone = {id(each.item) for each in settled}
    items = tuple(item for item in batch.items if id(item) not in gone)
    return replace(batch, items=items, settled=(*batch.settled, *settled))


def _check(item: Item, declared: Declared, now_ms: int) -> None:
    operation = item.operation
    collection = declared.collections.get(operation.collection)
    if collection is None or declared.target not in collection.targets:
        raise UnexpectedMessage(
            f"The collection {operation.collection!r} is not declared for {declared.target}."
        )
    try:
        check_key(collection, operation.key)
        if operation.data and item.origin.plain and operation.kind in _WITH_DOCUMENT:
            check_key_fields(collection, operation.key, operation.data)
        else:
            check_data(operation.kind, collection, operation.key, operation.data)
    except InvalidOperation as error:
        raise UnexpectedMessage(f"The operation breaks its declaration: {error.message}") from error
    except MemoryError:
        raise
    except Exception as fault:  # whatever it is, it harms this operation and no other
        raise UnexpectedMessage(
            f"The operation cannot be checked: {type(fault).__name__}."
        ) from fault
    if operation.not_before_ms or operation.expires_ms:
        _check_times(operation, collection, now_ms)
    _check_version(operation, collection, now_ms)


def _check_times(operation: Operation, collection: Collection, now_ms: int) -> None:
    """Refuse times that no client gives an operation."""
    due_ms = operation.not_before_ms
    if due_ms - now_ms > MAX_DELAY_MS + MAX_AHEAD_MS:
        raise UnexpectedMessage("The operation is due later than any client allows.")
    if 0 < operation.expires_ms <= due_ms:
        raise UnexpectedMessage("The operation expires before it is due.")
    if collection.version is VersionSource.HLC and milliseconds(operation.version) < due_ms:
        raise UnexpectedMessage("The version lies before the due time, which it should tell.")


def _check_version(operation: Operation, collection: Collection, now_ms: int) -> None:
    if collection.version is VersionSource.SOURCE:
        if operation.kind is Kind.INCREMENT:
            raise UnexpectedMessage(
                f"{collection.name} takes its versions from the source, so it takes no increments."
            )
        return
    version_ms = milliseconds(operation.version)
    if version_ms - now_ms <= MAX_AHEAD_MS:
        return
    due_ms = operation.not_before_ms
    ahead_ms = version_ms - max(now_ms, due_ms)
    if ahead_ms > MAX_AHEAD_MS:
        of = "its due time" if due_ms > now_ms else "the target's clock"
        raise VersionAhead(f"The version lies {ahead_ms} ms ahead of {of}.")
