"""The queues that a worker consumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue

from syncpipe.core.routing import parse_queue, queues_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.settings import Settings


def declared(settings: Settings) -> dict[str, str]:
    """Return the target of every lane's queue that *settings* declare, by the queue's name."""
    return {
        queue: target for target in settings.targets for queue in queues_of(target, settings.shards)
    }


def undeclared(queues: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the targets of those *queues* that are lanes of our targets, but not *known*.

    They hold what was sent with another number of shards.
    """
    targets = set(known.values())
    lanes = {name: lane[0].target for name in queues if (lane := parse_queue(name))}
    return {name: to for name, to in lanes.items() if to in targets and name not in known}


def consume(consumer: Any, queues: Iterable[str]) -> None:
    """Have Celery's *consumer* consume *queues* too; on the event loop, while it is connected."""
    if consumer.task_consumer:
        for name in queues:
            consumer.task_consumer.add_queue(lane_queue(name))
        consumer.task_consumer.consume()


def lane_queue(name: str) -> Queue:
    """Return kombu's declaration of a lane's queue."""
    return Queue(name, Exchange(""), routing_key=name)
