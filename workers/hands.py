"""What a process has in hand: messages that are not acknowledged, by queue and by target."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.pipeline import WorkerOptions
    from workers.held import Held
    from workers.shelf import Shelf

#: Seconds without a batch's end after which a target with many messages in hand holds up others.
_STUCK_S = 1.0


class Hands:
    """Knows what is in hand, and lets the broker send more for what should not count.

    On Redis all targets share one prefetch, so that one which does not move could leave the others
    with nothing. Where each queue has a prefetch of its own, nobody is in another's way. Times are
    monotonic seconds.
    """

    def __init__(
        self, consumer: Any, shelves: Mapping[str, Shelf], options: WorkerOptions, *, shared: bool
    ) -> None:
        """Hold what waits on *shelves*; *consumer* gets more where the prefetch is *shared*."""
        self._consumer = consumer
        self._shelves = shelves
        self._prefetch = options.prefetch
        self._most_extra = options.prefetch if shared else 0
        self._extra = 0
        #: How many messages of each queue are unacknowledged.
        self.queues: Counter[str] = Counter()
        #: How many messages of each target are, and when one of its batches ended, or might have.
        self.targets: Counter[str] = Counter()
        self._moved = dict.fromkeys(shelves, 0.0)
        self._stuck: set[str] = set()

    def take(self, target: str, held: Held) -> None:
        """Note a message for *target* that has come."""
        self.queues[held.message.queue] += 1
        if not self.targets[target]:
            self._moved[target] = held.since
        self.targets[target] += 1

    def let_go(self, target: str, messages: Sequence[Held]) -> None:
        """Note that *messages* for *target* are in hand no longer."""
        self.queues.subtract(held.message.queue for held in messages)
        self.targets[target] -= len(messages)

    def moved(self, target: str, now: float) -> None:
        """Note that a batch of *target* has ended."""
        self._moved[target] = now

    def look(self, target: str, now: float) -> bool:
        """Return whether *target* does not move, and let others have what it holds then."""
        stuck = self._crowds(target) and now - self._moved[target] >= _STUCK_S
        if stuck is not (target in self._stuck):
            self._stuck ^= {target}
            self.balance()
        return stuck

    def wakes(self, target: str) -> float | None:
        """Return when *target* may be found not to move; None if it cannot, or is already."""
        if target in self._stuck or not self._crowds(target):
            return None
        return self._moved[target] + _STUCK_S

    def balance(self) -> None:
        """Let waiting retries not count as prefetched, nor what a target holds that is stuck.

        Up to as many again each as are prefetched, and not where each queue has a prefetch of its
        own, which cannot change.
        """
        retries = sum(shelf.retries for shelf in self._shelves.values())
        stuck = sum(map(self._weight, self._stuck))
        extra = min(retries, self._most_extra) + min(stuck, self._most_extra)
        if extra > self._extra:
            self._consumer.qos.increment_eventually(extra - self._extra)
        elif extra < self._extra:
            self._consumer.qos.decrement_eventually(self._extra - extra)
        self._extra = extra

    def _crowds(self, target: str) -> bool:
        """Return whether *target* has so much in hand that others could be left with nothing."""
        others = len(self._shelves) > 1 and self._most_extra > 0
        return others and self._weight(target) * 2 >= self._prefetch

    def _weight(self, target: str) -> int:
        """Return how many messages of *target* count as prefetched."""
        return self.targets[target] - self._shelves[target].retries
