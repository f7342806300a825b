"""Stage two: what the client promised is checked again, because anybody can write to a broker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from syncpipe.core.carried import Carried
from syncpipe.core.codec import Columns
from syncpipe.core.collection import VersionSource
from syncpipe.core.declaration import check_data
from syncpipe.core.keys import check_all_key_fields, check_key, check_key_fields, check_keys
from syncpipe.core.operation import MAX_DELAY_MS, Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.version import MAX_AHEAD_MS, milliseconds
from syncpipe.errors import InvalidOperation, UnexpectedMessage, VersionAhead
from syncpipe.pipeline.batch import Batch, Settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from syncpipe.core.block import Block
    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation


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
    if _passes(batch.newest, batch.now_ms):
        return batch
    settled: list[Settled] = []
    for item in batch.items:
        if _passes(item.origin.newest, batch.now_ms):
            continue
        try:
            _check(item.operation, declared, batch.now_ms)
        except (UnexpectedMessage, VersionAhead) as error:
            settled.append(Settled(item, Outcome.DEAD, "verify", error))
    if not settled:
        return batch
    gone = {id(each.item) for each in settled}
    items = tuple(item for item in batch.items if id(item) not in gone)
    return replace(batch, items=items, settled=(*batch.settled, *settled))


def _passes(newest: int | None, now_ms: int) -> bool:
    """Return whether nothing is wrong where `newest_of` has returned *newest*."""
    return newest is not None and milliseconds(newest) - now_ms <= MAX_AHEAD_MS


def newest_of(columns: Columns, declared: Declared) -> int | None:
    """Return the newest version in *columns*, of plain documents, that tells the time; 0 of none.

    None unless all fit their declarations. A look at all operations together takes a fraction of
    the time that a look at each does, which comes where something may be wrong.
    """
    try:
        return max(_newest_of(part, declared) for part in _by_collection(columns))
    except Exception:  # noqa: BLE001 - whatever it is, it is found again, and said of which of them
        return None


def newest_of_block(
    block: Block, data: Sequence[Carried | Mapping[str, Any]], declared: Declared
) -> int | None:
    """Return what `newest_of` does, for a *block* in which *data* were read."""
    try:
        return _newest_of_block(block, data, declared)
    except Exception:  # noqa: BLE001 - as there
        return None


def _newest_of_block(
    block: Block, data: Sequence[Carried | Mapping[str, Any]], declared: Declared
) -> int:
    collection = _declared(block.collection, declared)
    check_keys(collection, block.keys)
    documents = block.documents
    may_name_key = any(f'"{name}"'.encode() in documents for name in collection.key)
    # A name can be spelled in another way, and a NUL in no other.
    if may_name_key or b"\\" in documents:
        for key, document in zip(block.keys, data, strict=True):
            if isinstance(document, Carried):
                check_key_fields(collection, key, document.fields)
            else:
                check_data(Kind.UPSERT, collection, key, document)
    return block.versions[-1] if collection.version is VersionSource.HLC else 0


def _by_collection(columns: Columns) -> Iterable[Columns]:
    names = set(columns.collections)
    if len(names) == 1:
        return [columns]
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for name, row in zip(columns.collections, zip(*columns, strict=True), strict=True):
        parts[name].append(row)
    return [Columns(*zip(*part, strict=True)) for part in parts.values()]


def _newest_of(columns: Columns, declared: Declared) -> int:
    """Return what `newest_of` does for operations on one collection, or raise whatever it is."""
    collection = _declared(columns.collections[0], declared)
    check_keys(collection, columns.keys)
    increment, patch = Kind.INCREMENT, Kind.PATCH
    _, kinds, _, keys, _, all_contents, all_data = columns
    for kind, key, contents, data in zip(kinds, keys, all_contents, all_data, strict=True):
        if data is contents or kind is increment or (kind is patch and not contents):
            check_data(kind, collection, key, contents)
    check_all_key_fields(collection, columns.keys, [each or {} for each in columns.contents])
    if collection.version is VersionSource.HLC:
        return max(columns.versions)
    _check_kinds(collection, columns.kinds)
    return 0


def _declared(name: str, declared: Declared) -> Collection:
    collection = declared.collections.get(name)
    if collection is None or declared.target not in collection.targets:
        raise UnexpectedMessage(f"The collection {name!r} is not declared for {declared.target}.")
    return collection


def _check(operation: Operation, declared: Declared, now_ms: int) -> None:
    collection = _declared(operation.collection, declared)
    try:
        check_key(collection, operation.key)
        check_data(operation.kind, collection, operation.key, operation.contents)
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


def _check_kinds(collection: Collection, kinds: Sequence[Kind]) -> None:
    """Refuse increments in a *collection* that takes its versions from the source."""
    if Kind.INCREMENT in kinds:
        raise UnexpectedMessage(
            f"{collection.name} takes its versions from the source, so it takes no increments."
        )


def _check_version(operation: Operation, collection: Collection, now_ms: int) -> None:
    if collection.version is VersionSource.SOURCE:
        _check_kinds(collection, (operation.kind,))
        return
    version_ms = milliseconds(operation.version)
    if version_ms - now_ms <= MAX_AHEAD_MS:
        return
    due_ms = operation.not_before_ms
    ahead_ms = version_ms - max(now_ms, due_ms)
    if ahead_ms > MAX_AHEAD_MS:
        of = "its due time" if due_ms > now_ms else "the target's clock"
        raise VersionAhead(f"The version lies {ahead_ms} ms ahead of {of}.")
