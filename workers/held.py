"""One message in our hands, unacknowledged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from syncpipe.core.envelope import peek
from syncpipe.core.routing import Priority, parse_queue
from syncpipe.pipeline import Message

if TYPE_CHECKING:
    from syncpipe.errors import SyncpipeError

#: Degrees of urgency; 0 is the most urgent.
DEGREES = len(Priority)


class Held(msgspec.Struct, frozen=True):
    """One message in our hands, unacknowledged. A struct, because there are very many."""

    #: kombu's message, which only the event loop may acknowledge.
    delivery: Any
    #: What the pipeline gets of it.
    message: Message
    #: Name of the target whose lane it came through; None if its queue is no lane.
    target: str | None
    #: How many operations it claims to hold, and in how many bytes when they are unpacked; only
    #: batch sizes depend on it.
    operations: int
    size: int
    #: Its urgency, 0 is the most urgent.
    degree: int
    #: Monotonic seconds at which it came.
    since: float
    #: Whether it goes in a batch of its own.
    alone: bool = False

    def retried(self) -> Held:
        """Return the same with one more attempt."""
        message = replace(self.message, attempts=self.message.attempts + 1)
        return structs.replace(self, message=message)

    def apart(self) -> Held:
        """Return the same, to go in a batch of its own."""
        return structs.replace(self, alone=True)


def body_of(delivery: Any) -> bytes:
    """Return the body of kombu's message *delivery*."""
    body = delivery.body
    return body.encode() if isinstance(body, str) else bytes(body or b"")


def hold(delivery: Any, *, queue: str, since: float, fault: SyncpipeError | None = None) -> Held:
    """Return kombu's message *delivery*, which came from *queue*, as held.

    *fault* tells why it cannot be an envelope.
    """
    raw = body_of(delivery)
    identity = str((delivery.headers or {}).get("id") or delivery.delivery_tag)
    lane = parse_queue(queue)
    operations, size = peek(raw)
    return Held(
        delivery=delivery,
        message=Message(queue=queue, id=identity, body=raw, fault=fault),
        target=lane[0].target if lane else None,
        operations=max(1, operations),
        size=max(1, len(raw), size),
        degree=lane[1].urgency if lane else DEGREES - 1,
        since=since,
    )
