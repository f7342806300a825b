"""Waiting until queues are empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.transport.broker import Broker

#: Seconds between two looks.
_LOOK_S = 0.1


def depth_of(broker: Broker, queues: Sequence[str]) -> int:
    """Return how many messages of *queues* are not acknowledged. Raises BrokerUnavailable."""
    return sum(depth.ready + depth.unacked for depth in broker.depths(queues).values())


def wait_until_empty(
    broker: Broker,
    queues: Sequence[str],
    *,
    clock: Clock,
    sleep: Callable[[float], object],
    timeout_s: float,
) -> bool:
    """Wait until one look finds each of *queues* empty once; False if *timeout_s* came first.

    What was in a queue before the call has then left the broker: its operations have been applied,
    or are dead letters. Raises BrokerUnavailable.
    """
    deadline = clock.monotonic() + timeout_s
    left = list(queues)
    while left:
        depths = broker.depths(left)
        left = [queue for queue in left if depths[queue].ready + depths[queue].unacked]
        if left and clock.monotonic() > deadline:
            return False
        if left:
            sleep(_LOOK_S)
    return True
