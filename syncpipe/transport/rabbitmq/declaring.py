"""Making the queues and exchanges of the topology, and asking whether they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.errors import TopologyConflict
from syncpipe.transport.rabbitmq.link import LOCKED, NOT_FOUND, PRECONDITION_FAILED, REFUSED, said
from syncpipe.transport.rabbitmq.topology import (
    LIMIT_EXCHANGE,
    LIMIT_QUEUE,
    WORKERS_EXCHANGE,
    limit_arguments,
    queue_arguments,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncpipe.transport.rabbitmq.link import Line

#: The channel of a line on which questions are asked; it opens again after a refusal.
_QUESTIONS = 1


def ready(line: Line, queue: str) -> int | None:
    """Return how many messages wait in RabbitMQ's *queue*; None if there is no such queue."""
    channel = line.channel(_QUESTIONS)
    try:
        return int(channel.queue_declare(queue, passive=True).message_count)
    except REFUSED as error:
        if _code(error) == NOT_FOUND:
            return None
        raise


def sets_aside(line: Line) -> bool:
    """Tell whether there is a place for what was delivered too often, and a way there."""
    return _exists(line, "exchange", LIMIT_EXCHANGE) and _exists(line, "queue", LIMIT_QUEUE)


def exchange_exists(line: Line, name: str) -> bool:
    """Return whether RabbitMQ has the fanout exchange *name*."""
    try:
        line.channel(_QUESTIONS).exchange_declare(name, "fanout", passive=True)
    except REFUSED as error:
        if _code(error) == NOT_FOUND:
            return False
        raise
    return True


def declare(line: Line, queues: Iterable[str]) -> list[str]:
    """Make those of RabbitMQ's *queues* that are missing, and what they need.

    Return the names of all that was made, but for the exchange of announcements, which everybody
    makes who needs it.

    Raises ``TopologyConflict``, before anything is made, with the names of all that exist with
    other properties.
    """
    makers = _makers(line, queues)
    existing = [name for name in makers if _exists(line, *name)]
    conflicts = [text for name in existing if (text := _conflict(makers[name]))]
    if conflicts:
        raise TopologyConflict("RabbitMQ has other properties than ours: " + " ".join(conflicts))
    made = [name for name in makers if name not in existing]
    for name in made:
        if text := _conflict(makers[name]):
            raise TopologyConflict(f"Somebody else made it at the same time: {text}")
    line.channel(_QUESTIONS).queue_bind(LIMIT_QUEUE, LIMIT_EXCHANGE)
    return list(dict.fromkeys(name for _, name in made if name != WORKERS_EXCHANGE))


def _makers(line: Line, queues: Iterable[str]) -> dict[tuple[str, str], Callable[[], Any]]:
    """Return what makes each thing, by its kind and name; what is there with our properties stays.

    The exchange comes before the queues that set aside into it.
    """
    channel = line.channel(_QUESTIONS)

    def exchange(name: str) -> Callable[[], Any]:
        return lambda: channel.exchange_declare(name, "fanout", durable=True, auto_delete=False)

    def queue(name: str, arguments: Any) -> Callable[[], Any]:
        return lambda: channel.queue_declare(
            name, durable=True, auto_delete=False, arguments=dict(arguments)
        )

    return {
        ("exchange", WORKERS_EXCHANGE): exchange(WORKERS_EXCHANGE),
        ("exchange", LIMIT_EXCHANGE): exchange(LIMIT_EXCHANGE),
        ("queue", LIMIT_QUEUE): queue(LIMIT_QUEUE, limit_arguments()),
        **{("queue", name): queue(name, queue_arguments()) for name in queues},
    }


def _exists(line: Line, kind: str, name: str) -> bool:
    return ready(line, name) is not None if kind == "queue" else exchange_exists(line, name)


def _conflict(make: Callable[[], Any]) -> str | None:
    """Declare something; return RabbitMQ's words if it exists with other properties."""
    try:
        make()
    except REFUSED as error:
        if _code(error) in {PRECONDITION_FAILED, LOCKED}:
            return said(error)
        raise
    return None


def _code(error: Exception) -> int | None:
    return getattr(error, "reply_code", None)
