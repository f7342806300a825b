"""Reading queues; and reading one alone: whoever looks at messages hides them from others."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.rabbitmq.link import LOCKED, REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.transport.rabbitmq.link import Line

#: The channel of a line on which turns are taken; it opens again after a refusal.
_TURNS = 2
#: How often to ask for a turn, and the seconds between; less than a line is lent for.
_ASKS, _PAUSE_S = 40, 0.1


def taken(channel: Any, queue: str) -> Iterator[Any]:
    """Take the messages of *queue*, one after the other, until the channel closes."""
    while (message := channel.basic_get(queue)) is not None:
        yield message


def body_of(message: Any) -> bytes:
    """Return the bytes of *message*, which py-amqp makes text where it can."""
    body: str | bytes = message.body
    return body.encode() if isinstance(body, str) else bytes(body)


@contextmanager
def alone(line: Line, queue: str) -> Iterator[None]:
    """Be the only one who looks at *queue* in the block; consumers are not kept off.

    The turn is an exclusive queue, which RabbitMQ takes from a connection that is lost. Raises
    ``BrokerUnavailable`` when others look for too long.
    """
    turn = f"syncpipe.reading.{queue}"
    for _ in range(_ASKS):
        if _has_turn(line, turn):
            break
        time.sleep(_PAUSE_S)
    else:
        raise BrokerUnavailable(f"Somebody else reads the queue {queue!r} now.")
    yield
    line.channel(_TURNS).queue_delete(turn)


def _has_turn(line: Line, turn: str) -> bool:
    """Take the turn, unless another connection has it."""
    try:
        line.channel(_TURNS).queue_declare(
            turn, exclusive=True, auto_delete=False, arguments={"x-queue-type": "classic"}
        )
    except REFUSED as error:
        if getattr(error, "reply_code", None) == LOCKED:
            return False
        raise
    return True
