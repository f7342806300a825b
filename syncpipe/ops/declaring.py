"""Making what the broker has to have before anything is sent."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.routing import DEAD_QUEUE, queues_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from syncpipe.transport.broker import Broker

#: Seconds after which a new queue survives a crash. RabbitMQ writes down which queues it has half a
#: second late (seen with 3.10); one killed before that comes back with the queue and without what
#: it had confirmed in it.
SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Declared:
    """A queue that the broker has now."""

    #: Its name.
    queue: str
    #: Whether it was not there before.
    made: bool


def declare(
    broker: Broker,
    targets: Iterable[str],
    shards: int,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> list[Declared]:
    """Make the queues of *targets*, that of dead letters and what they need, where it is missing.

    Returns when they survive a crash of the broker; *pause* sleeps for some seconds until then.
    Raises TopologyConflict when one exists with other properties, and BrokerUnavailable.
    """
    queues = [*(queue for name in sorted(targets) for queue in queues_of(name, shards)), DEAD_QUEUE]
    made = broker.declare(queues)
    if made:
        pause(SETTLE_S)
    beside = [queue for queue in made if queue not in queues]
    return [Declared(queue, queue in made) for queue in (*queues, *beside)]
