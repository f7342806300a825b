"""Making what the broker has to have before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.routing import DEAD_QUEUE, queues_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.transport.broker import Broker


@dataclass(frozen=True, slots=True)
class Declared:
    """A queue that the broker has now."""

    #: Its name.
    queue: str
    #: Whether it was not there before.
    made: bool


def declare(broker: Broker, targets: Iterable[str], shards: int) -> list[Declared]:
    """Make the queues of *targets* and that of dead letters, where they are missing.

    Raises TopologyConflict when one exists with other properties, and BrokerUnavailable.
    """
    queues = [*(queue for name in sorted(targets) for queue in queues_of(name, shards)), DEAD_QUEUE]
    made = set(broker.declare(queues))
    return [Declared(queue, queue in made) for queue in queues]
