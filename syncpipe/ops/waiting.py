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
    """Wait until each of *queues* was seen empty once; False if *timeout_s* came first.

    What was in a queue before the call has then left the broker: its operations have been applied,
    or are dead letters. Where the count of taken messages is old, a queue counts as empty after it
    has looked so for longer than that count can be old: one that is always busy never does. Raises
    BrokerUnavailable.
    """
    deadline = clock.monotonic() + timeout_s
    empty_since: dict[str, float] = {}
    left = list(queues)
    while left:
        now, depths = clock.monotonic(), broker.depths(left)
        for queue in left:
            if depths[queue].ready + depths[queue].unacked:
                empty_since.pop(queue, None)
            else:
                empty_since.setdefault(queue, now)
        seen_at = now - broker.unacked_lag_s
        left = [queue for queue in left if empty_since.get(queue, now + 1) > seen_at]
        if left and clock.monotonic() > deadline:
            return False
        if left:
            sleep(_LOOK_S)
    return True
