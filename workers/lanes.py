"""The queues of lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu import Exchange, Queue

from syncpipe.core.routing import parse_queue, queues_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.settings import Settings
    from syncpipe.transport.dialect import Dialect


def declared(settings: Settings) -> dict[str, str]:
    """Return the target of every lane's queue that *settings* declare, by the queue's name."""
    return {
        queue: target for target in settings.targets for queue in queues_of(target, settings.shards)
    }


def undeclared(queues: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """Return the targets of those *queues* that are lanes of our targets, but not *known*.

    They hold what was sent with another number of shards, or another version of the topology.
    """
    targets = set(known.values())
    lanes = {name: lane[0].target for name in queues if (lane := parse_queue(name))}
    return {name: to for name, to in lanes.items() if to in targets and name not in known}


def lane_queue(name: str, dialect: Dialect) -> Queue:
    """Return a lane's queue for kombu, which consumes it but never makes it."""
    physical = dialect.physical(name)
    arguments = dialect.queue_arguments
    return Queue(
        physical,
        Exchange(""),
        routing_key=physical,
        queue_arguments=None if arguments is None else dict(arguments),
        no_declare=True,
    )
