"""Stage one: from message bodies to operations."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.block import Block
from syncpipe.core.codec import decode_all, decode_at_once, decode_plain, parts
from syncpipe.core.envelope import ROWS, unseal, without_dictionaries
from syncpipe.core.operation import Operation
from syncpipe.core.routing import parse_queue
from syncpipe.errors import EnvelopeError, MalformedEnvelope, Quarantined, UnexpectedMessage
from syncpipe.pipeline.batch import Batch, Fault, Item, Message, Origin
from syncpipe.pipeline.verify import newest_of, newest_of_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.envelope import Envelope, Find, Header
    from syncpipe.pipeline.verify import Declared

#: Characters of the longest trace context that goes on with an operation; W3C's has 55.
_MOST_TRACE = 256


def decode(
    batch: Batch, find: Find = without_dictionaries, declared: Declared | None = None
) -> Batch:
    """Return *batch* with the operations of its messages; unreadable ones are set aside.

    *find* returns the dictionaries that envelopes need, or raises DictionaryMissing or
    DictionaryUnreadable. Where operations fit what is *declared*, their origin says so.
    """
    origins: list[Origin] = []
    items: list[Item] = []
    faults: list[Fault] = []
    replays: dict[int, bytes] = {}
    for index, message in enumerate(batch.messages):
        try:
            header, origin, operations = _opened(index, message, find, declared)
            origins.append(origin)
            items += map(Item, operations, itertools.repeat(origin), itertools.count())
            if header.replay:
                replays[index] = header.replay
        except (EnvelopeError, UnexpectedMessage, Quarantined) as error:
            faults.append(Fault(index, error))
    newest = _newest([origin.newest for origin in origins])
    return replace(batch, items=tuple(items), faults=tuple(faults), replays=replays, newest=newest)


def _newest(versions: Sequence[int | None]) -> int | None:
    """Return the newest of *versions*, None if one of them is, or there is none."""
    known = [version for version in versions if version is not None]
    return max(known, default=None) if len(known) == len(versions) else None


def _opened(
    index: int, message: Message, find: Find, declared: Declared | None
) -> tuple[Header, Origin, Sequence[Operation]]:
    """Return header, origin and operations of *message*."""
    if message.fault:
        raise message.fault
    envelope = unseal(message.body, find)
    header = envelope.header
    if parse_queue(message.queue) != (header.lane, header.priority):
        raise UnexpectedMessage(
            f"An envelope for {header.lane.queue(header.priority)} came through {message.queue}."
        )
    trace = header.trace if header.trace and len(header.trace) <= _MOST_TRACE else None
    operations, newest = _operations(envelope, declared)
    origin = Origin(index, envelope.body, header.count, header.attempts, trace, newest)
    return header, origin, operations


def _operations(
    envelope: Envelope, declared: Declared | None
) -> tuple[Sequence[Operation], int | None]:
    """Return the operations in *envelope*, and what `newest_of` says of them."""
    announced = envelope.header.count
    if envelope.format == ROWS:
        return _in_rows(envelope.body, announced, declared)
    found: list[Operation] = []
    newest: list[int | None] = []
    for part in parts(envelope.body, announced):
        operations, version = (
            _in_block(part, declared)
            if isinstance(part, Block)
            else _in_rows(part.body, part.count, declared)
        )
        found += operations
        newest.append(version)
    return found, _newest(newest)


def _in_block(block: Block, declared: Declared | None) -> tuple[Sequence[Operation], int | None]:
    data = block.read()
    newest = newest_of_block(block, data, declared) if declared else None
    return block.operations(data), newest


def _in_rows(
    body: bytes, count: int, declared: Declared | None
) -> tuple[Sequence[Operation], int | None]:
    columns = decode_plain(body, count)
    if columns:
        # Now, because what is in them is given up for their text, and soon has left the
        # processor's cache.
        newest = newest_of(columns, declared) if declared else None
        ids, kinds, collections, keys, versions, _, data = columns
        names = map(sys.intern, collections)
        return list(map(Operation, ids, kinds, names, keys, versions, data)), newest
    together = decode_at_once(body, count)
    if together is not None:
        return together, None
    found = [operation for operation, _ in itertools.islice(decode_all(body), count + 1)]
    if len(found) != count:
        raise MalformedEnvelope(
            f"The envelope does not hold the {count} operations that its header announces."
        )
    return found, None
