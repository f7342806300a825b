"""Which lists the next claim looks at, and in what order. Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from syncpipe.core.routing import Priority, leading, parse_queue

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Most lists in one claim, so that one script stays short: looking at each takes Redis about 1 µs.
#: Fewer would be found empty no cheaper, and each further claim waits for the disk of Redis.
LISTS_PER_CLAIM = 128
#: Degrees of urgency; 0 is the most urgent.
DEGREES = len(Priority)


def urgency_of(queue: str) -> int:
    """Return the urgency of one of our queues: that of its lane, or of normal for any other."""
    lane = parse_queue(queue)
    return (Priority.NORMAL if lane is None else lane[1]).urgency


class Rota:
    """Takes turns among lists.

    Every claim goes through its lists most urgent first, except that each degree leads now and
    then: of 16 claims, 9 are led by degree 0, 4 by 1, 2 by 2 and 1 by 3. So even a claim of one
    message moves the least urgent on, and degrees that always have work share it about 8 : 4 : 2 :
    1. Within a degree the lists rotate.
    """

    def __init__(self, lists: Iterable[tuple[str, int]], *, size: int = LISTS_PER_CLAIM) -> None:
        """Take ``(list, urgency)`` pairs; claim at most *size* lists at a time."""
        self._degrees: list[deque[str]] = [deque() for _ in range(DEGREES)]
        for name, urgency in lists:
            self._degrees[min(urgency, DEGREES - 1)].append(name)
        self._sizes = _divide([len(degree) for degree in self._degrees], size)
        self._sweep = max(
            (math.ceil(len(d) / n) for d, n in zip(self._degrees, self._sizes, strict=True) if n),
            default=0,
        )
        self._turn = 0
        self._misses = 0

    @property
    def lists(self) -> list[str]:
        """All lists, most urgent first."""
        return [name for degree in self._degrees for name in degree]

    @property
    def exhausted(self) -> bool:
        """Whether every list has been found empty since the last :meth:`found`."""
        return self._misses >= self._sweep

    @property
    def swept(self) -> bool:
        """Whether the last claim was the last of those that look at every list once."""
        return not self._sweep or self._turn % self._sweep == 0

    def next(self) -> list[str]:
        """Return the lists of the next claim, in order."""
        self._turn += 1
        leader = leading(self._turn)
        order = sorted(range(DEGREES), key=lambda degree: (degree != leader, degree))
        return [name for degree in order for name in self._draw(degree)]

    def found(self) -> None:
        """Note that a claim brought something, or that a bell rang: look everywhere again."""
        self._misses = 0

    def missed(self) -> None:
        """Note that a claim brought nothing."""
        self._misses += 1

    def _draw(self, degree: int) -> list[str]:
        """Return the lists of a degree whose turn it is, and let the next have theirs."""
        lists, size = self._degrees[degree], self._sizes[degree]
        drawn = [lists[i] for i in range(size)]
        lists.rotate(-size if size < len(lists) else -1)
        return drawn


def _divide(counts: list[int], size: int) -> list[int]:
    """Return how many of each of *counts* fit into *size* when they take turns."""
    shares = [0] * len(counts)
    while sum(shares) < min(size, sum(counts)):
        for i, count in enumerate(counts):
            if shares[i] < count and sum(shares) < size:
                shares[i] += 1
    return shares
