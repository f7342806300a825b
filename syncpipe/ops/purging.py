"""Deletion of what waits in queues: first a plan, then the act, on exactly what the plan names."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.transport.rabbitmq import topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from syncpipe.transport.broker import Broker, QueueDepth


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A queue that holds something."""

    #: Its name.
    name: str
    #: What it holds.
    depth: QueueDepth


@dataclass(frozen=True, slots=True)
class Purged:
    """A queue that was emptied."""

    #: Its name.
    queue: str
    #: Messages that were deleted.
    messages: int


def holding(broker: Broker) -> list[QueueStatus]:
    """Return every queue of ours that holds anything, by name. Raises BrokerUnavailable."""
    depths = broker.depths(broker.queues())
    return [QueueStatus(name, depth) for name, depth in sorted(depths.items())]


def matching(queues: Iterable[QueueStatus], patterns: Sequence[str]) -> list[QueueStatus]:
    """Return the *queues* with ready messages that any of *patterns* names.

    They may be written in our names or in RabbitMQ's. ``*`` stands for any text, but never names
    the dead letters, of whatever version of the topology: these have to be named themselves.
    """
    return [queue for queue in queues if queue.depth.ready and _named(queue.name, patterns)]


def purge(broker: Broker, queues: Iterable[str]) -> Iterator[Purged]:
    """Delete the ready messages of each queue; yield what was done, as it is done.

    What workers have taken stays with them. Raises BrokerUnavailable; what was yielded before is
    done.
    """
    for queue in queues:
        yield Purged(queue, broker.purge(queue))


def _named(queue: str, patterns: Sequence[str]) -> bool:
    names = (queue, topology.physical(queue))
    if queue == DEAD_QUEUE or queue.startswith(f"{DEAD_QUEUE}.v"):
        return any(name in patterns for name in names)
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)
