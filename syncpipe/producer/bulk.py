"""From many items to blocks: what `intake` does one by one, done for all of them together.

Nothing is said here of what is wrong: where something may be, everything goes one by one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from syncpipe.core import lines
from syncpipe.core.block import Block
from syncpipe.core.collection import VersionSource
from syncpipe.core.keys import canonical_keys, check_all_key_fields
from syncpipe.core.routing import shards_of
from syncpipe.errors import InvalidVersion, SyncpipeError
from syncpipe.producer.accepted import Accepted, AcceptedBlock
from syncpipe.producer.buffer import COPY_BYTES
from syncpipe.producer.draft import SHORTEST
from syncpipe.producer.reasons import no_room

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.producer.draft import DraftLike
    from syncpipe.producer.intake import Intake
    from syncpipe.producer.many import BatchReceipt
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.stamps import Stamper
    from syncpipe.producer.ticket import Piece

#: Most items that are looked at together, so that their documents stay in the processor's cache.
_TOGETHER = 1024
#: Operations in a block on average, at least: it is not worth while for fewer.
_FEWEST = 8
#: Blocks that fill an envelope, at least: less of it is left empty then; and the buffer.
_IN_ENVELOPE, _IN_BUFFER = 4, 16
#: Documents by which others are judged, bytes of an operation beside its document, about, and how
#: far a block of such may be filled.
_SAMPLE, _BESIDE, _FILLED = 8, 64, 0.8


class Bulk:
    """Turns what `send_many` is given into pieces. Thread-safe; does no I/O."""

    def __init__(
        self,
        intake: Intake,
        collections: Mapping[str, Collection],
        shards: int,
        stamper: Stamper,
        options: ClientOptions,
    ) -> None:
        """Accept as *intake* does, which was made of the same, for envelopes within *options*."""
        self._options = options
        self._collections = collections
        self._intake = intake
        self._shards = shards
        self._stamper = stamper
        room = options.buffer_max_bytes // _IN_BUFFER
        #: Operations, and bytes, of a block, at most.
        self._most = min(options.batch_max_ops // _IN_ENVELOPE, room // COPY_BYTES)
        self._most_bytes = min(options.batch_max_bytes // _IN_ENVELOPE, lines.MOST_BYTES, room)

    def pieces(self, drafts: Iterable[DraftLike], batch: BatchReceipt) -> Iterator[Piece]:
        """Yield what of *drafts* is accepted; what is refused becomes a fault of *batch*.

        Those of a list or tuple are looked at together: nothing is waited for, as it might be with
        what is made while it is asked for.
        """
        if not (type(drafts) is list or type(drafts) is tuple):  # others may be read otherwise
            yield from self._one_by_one(enumerate(drafts), batch)
            return
        for begin, end in _evenly(len(drafts), _TOGETHER):
            portion = drafts[begin:end]
            blocks = self.accept(portion, begin)
            if blocks is not None:
                yield from blocks
            else:
                yield from self._one_by_one(enumerate(portion, begin), batch)

    def accept_one(self, item: object, batch: BatchReceipt) -> Accepted | None:
        """Return the operation of the item of *batch* that is being sent; None if it is refused."""
        try:
            return self._intake.accept_item(item)
        except SyncpipeError as error:
            batch.reject(error)
            return None

    def refuse(self, piece: Piece, batch: BatchReceipt) -> None:
        """Have each operation of *piece*, for which there was no room, be a fault of *batch*."""
        if isinstance(piece, Accepted):
            batch.reject(no_room(self._options, piece.name))
            return
        for batch.index, name in zip(piece.places, piece.names(), strict=True):
            batch.reject(no_room(self._options, name))

    def accept(self, items: Sequence[Any], begin: int) -> list[AcceptedBlock] | None:
        """Return the blocks of *items*, the first of which lies at *begin* in what was given.

        None unless it is known of all that they may travel like that, and that it is worth while.
        """
        try:
            return list(self._blocks(items, begin))
        except Exception:  # noqa: BLE001 - whatever it is, it is found again, and said of which
            return None

    def _one_by_one(
        self, numbered: Iterable[tuple[int, object]], batch: BatchReceipt
    ) -> Iterator[Accepted]:
        for batch.index, item in numbered:
            accepted = self.accept_one(item, batch)
            if accepted is not None:
                yield accepted

    def _blocks(self, items: Sequence[Any], begin: int) -> Iterator[AcceptedBlock]:
        """Yield the blocks of *items*; on each record in turn. Raises whatever it likes."""
        if set(map(type, items)) != {tuple} or set(map(len, items)) != {SHORTEST}:
            raise _OneByOneError
        names, given, documents = zip(*items, strict=True)
        collections = [self._collections[name] for name in dict.fromkeys(names)]
        on_average = len(items) // (self._shards * len(collections))
        if min(self._most, on_average) < _FEWEST or not lines.are_plain(documents):
            raise _OneByOneError
        places = range(begin, begin + len(items))
        for collection in collections:
            if len(collections) == 1:
                columns = _Columns(collection, canonical_keys(collection, given), documents, places)
            else:
                own = [at for at, name in enumerate(names) if name == collection.name]
                keys = canonical_keys(collection, [given[at] for at in own])
                columns = _Columns(
                    collection, keys, [documents[at] for at in own], [places[at] for at in own]
                )
            _check(columns)
            most = self._most_like(columns.documents[:_SAMPLE])
            for shard, members in enumerate(self._sharded(columns)):
                for first, end in _evenly(len(members), most):
                    yield from self._block(columns, shard, members[first:end])

    def _most_like(self, sample: Sequence[object]) -> int:
        """Return how many operations of documents like those of *sample* a block may hold, about.

        Writing too many, only to find that they are too large, would take as long again.
        """
        written = lines.write(sample)
        if written is None:
            raise _OneByOneError
        each = len(written) // len(sample) + _BESIDE
        return max(1, min(self._most, int(self._most_bytes * _FILLED) // each))

    def _sharded(self, columns: _Columns) -> list[list[int]]:
        """Return, for each shard, where its operations are in *columns*."""
        members: list[list[int]] = [[] for _ in range(self._shards)]
        shards = shards_of(columns.collection.name, columns.keys, self._shards)
        for at, shard in enumerate(shards):
            members[shard].append(at)
        return members

    def _block(
        self, columns: _Columns, shard: int, members: Sequence[int]
    ) -> Iterator[AcceptedBlock]:
        """Yield the block of *members* of one *shard*; more of them, if it would be too large."""
        count, name = len(members), columns.collection.name
        documents = lines.write([columns.documents[at] for at in members])
        if documents is not None:
            ids, version = self._stamper.next_many(count)
            keys = [columns.keys[at] for at in members]
            data = Block(name, ids, version, keys, documents).encode()
            if len(data) <= self._most_bytes:
                places = [columns.places[at] for at in members]
                yield AcceptedBlock(ids, version, places, data, *self._intake.ways[name][shard])
                return
        if count == 1:
            raise _OneByOneError
        for part in (members[: count // 2], members[count // 2 :]):
            yield from self._block(columns, shard, part)


class _OneByOneError(Exception):
    """Items cannot travel in blocks, or it is not worth while."""


class _Columns(NamedTuple):
    """What is in the items of one collection."""

    #: The collection.
    collection: Collection
    #: Their canonical keys.
    keys: Sequence[str]
    #: Their documents.
    documents: Sequence[dict[Any, Any]]
    #: Their places in what was given.
    places: Sequence[int]


def _check(columns: _Columns) -> None:
    """Raise InvalidOperation unless what is in *columns* fits the collection's declaration."""
    collection = columns.collection
    if collection.version is VersionSource.SOURCE:
        raise InvalidVersion(f"{collection.name} takes its versions from the source.")
    check_all_key_fields(collection, columns.keys, columns.documents)


def _evenly(count: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield the bounds of as few parts of *count* as hold so many at *most*, equally large."""
    parts = -(-count // most)
    return pairwise([count * part // parts for part in range(parts + 1)] if parts else ())
