"""Stage one: from message bodies to operations."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice, repeat
from typing import TYPE_CHECKING

from syncpipe.core.codec import decode_all, decode_at_once
from syncpipe.core.document import are_plain
from syncpipe.core.envelope import unseal, without_dictionaries
from syncpipe.core.routing import parse_queue
from syncpipe.errors import EnvelopeError, MalformedEnvelope, Quarantined, UnexpectedMessage
from syncpipe.pipeline.batch import Batch, Fault, Item, Message, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.envelope import Envelope, Find, Header
    from syncpipe.core.operation import Operation

#: Characters of the longest trace context that goes on with an operation; W3C's has 55.
_MOST_TRACE = 256


def decode(batch: Batch, find: Find = without_dictionaries) -> Batch:
    """Return *batch* with the operations of its messages; unreadable ones are set aside.

    *find* returns the dictionaries that envelopes need, or raises DictionaryMissing or
    DictionaryUnreadable.
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
    trace = header.trace if header.trace and len(header.trace) <= _MOST_TRACE else None
    operations = _operations(envelope)
    # Now, because soon they have left the processor's cache.
    plain = are_plain([operation.data for operation in operations if operation.data])
    origin = Origin(index, envelope.body, header.count, header.attempts, trace, plain)
    return header, list(map(Item, operations, repeat(origin), count()))


def _operations(envelope: Envelope) -> Sequence[Operation]:
    announced = envelope.header.count
    together = decode_at_once(envelope.body, announced)
    if together is not None:
        return together
    found = [operation for operation, _ in islice(decode_all(envelope.body), announced + 1)]
    if len(found) != announced:
        raise MalformedEnvelope(
            f"The envelope does not hold the {announced} operations that its header announces."
        )
    return found
