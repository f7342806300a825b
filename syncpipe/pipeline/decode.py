"""Stage one: from message bodies to operations."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.codec import decode_all
from syncpipe.core.envelope import unseal, without_dictionaries
from syncpipe.core.routing import parse_queue
from syncpipe.errors import EnvelopeError, MalformedEnvelope, Quarantined, UnexpectedMessage
from syncpipe.pipeline.batch import Batch, Fault, Item, Message

if TYPE_CHECKING:
    from syncpipe.core.envelope import Find, Header

#: Characters of the longest trace context that goes on with an operation; W3C's has 55.
_MOST_TRACE = 256


def decode(batch: Batch, find: Find = without_dictionaries) -> Batch:
    """Return *batch* with the operations of its messages; unreadable ones are set aside.

    *find* returns the dictionaries that envelopes need, or raises DictionaryMissing.
    """
    items: list[Item] = []
    faults: list[Fault] = []
    replays: dict[int, bytes] = {}
    for index, message in enumerate(batch.messages):
        try:
            header, found = _opened(index, message, find)
            items += found
            if header.replay:
                replays[index] = header.replay
        except (EnvelopeError, UnexpectedMessage, Quarantined) as error:
            faults.append(Fault(index, error))
    return replace(batch, items=tuple(items), faults=tuple(faults), replays=replays)


def _opened(index: int, message: Message, find: Find) -> tuple[Header, list[Item]]:
    """Return header and operations of *message*."""
    if message.fault:
        raise message.fault
    envelope = unseal(message.body, find)
    header = envelope.header
    if parse_queue(message.queue) != (header.lane, header.priority):
        raise UnexpectedMessage(
            f"An envelope for {header.lane.queue(header.priority)} came through {message.queue}."
        )
    found = itertools.islice(decode_all(envelope.body), header.count + 1)
    trace = header.trace if header.trace and len(header.trace) <= _MOST_TRACE else None
    items = [Item(operation, raw, index, header.attempts, trace) for operation, raw in found]
    if len(items) != header.count:
        raise MalformedEnvelope(
            f"The envelope does not hold the {header.count} operations that its header announces."
        )
    return header, items
