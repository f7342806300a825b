"""Stage one: from message bodies to operations."""

from __future__ import annotations

import itertools
from dataclasses import replace

from syncpipe.core.codec import decode_all
from syncpipe.core.envelope import unseal
from syncpipe.core.routing import parse_queue
from syncpipe.errors import EnvelopeError, MalformedEnvelope, Quarantined, UnexpectedMessage
from syncpipe.pipeline.batch import Batch, Fault, Item, Message

#: Characters of the longest trace context that goes on with an operation; W3C's has 55.
_MOST_TRACE = 256


def decode(batch: Batch) -> Batch:
    """Return *batch* with the operations of its messages; unreadable ones are set aside."""
    items: list[Item] = []
    faults: list[Fault] = []
    for index, message in enumerate(batch.messages):
        try:
            items += _items(index, message)
        except (EnvelopeError, UnexpectedMessage, Quarantined) as error:
            faults.append(Fault(index, error))
    return replace(batch, items=tuple(items), faults=tuple(faults))


def _items(index: int, message: Message) -> list[Item]:
    if message.fault:
        raise message.fault
    envelope = unseal(message.body)
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
    return items
