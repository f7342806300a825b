"""A worker's batcher on simulated time: exact, quick, and the same each time for a seed.

The batcher, its breakers, sizes and shelves are the real ones; the broker always has more, and the
pool's threads take as long as a `Regime` says.
"""

from __future__ import annotations

import heapq
import itertools
import math
from random import Random
from typing import TYPE_CHECKING, Any

from syncpipe.resilience.abreast import Abreast
from syncpipe.resilience.reach import Reach
from tests.benchmarks.regimes import Course, Regime, course, report
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import Bench
from tests.unit.workers.deliveries import Delivery, body

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Operations of an envelope, and how many are held.
_ENVELOPE, _PREFETCH = 100, 640
THREADS = 4
_TARGET = "crm"
#: Nothing starts by itself later than that, seconds.
_LOOK_S = 1.0


class Time:
    """A clock that moves only when told, as finely as asked."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the seconds since the beginning."""
        return self.now

    def now_ms(self) -> int:
        """Return the milliseconds since the beginning."""
        return int(self.now * 1000)


class Simulation:
    """One worker process and one target, whose regimes follow each other for ever."""

    def __init__(
        self,
        regimes: Sequence[Regime],
        *,
        each_s: float,
        fixed: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> None:
        """Change to the next of *regimes* after *each_s* seconds.

        Where the size of batches and their number at once are *fixed*, nothing changes them.
        """
        self._regimes = regimes
        self._each_s = each_s
        self._random = Random(seed)
        self._time = Time()
        self.bench = Bench(_TARGET, clock=self._time, threads=THREADS, prefetch=_PREFETCH)
        self.bench.consumer.apply_async = self._begin
        if fixed:
            self._fix(*fixed)
        #: What is under way: when it ends, when it began, and what happens then.
        self._ends: list[tuple[float, int, float, Callable[[], None], Course]] = []
        self._numbers = itertools.count()
        self._body = body(*(operation(f"k{n}") for n in range(_ENVELOPE)))
        #: Operations taken, by the number of the regime.
        self.taken = [0] * len(regimes)
        #: When, how large, how many at once: the sizes as they changed.
        self.sizes: list[tuple[float, int, int]] = []

    def run(self, seconds: float) -> float:
        """Go on for so many *seconds*; return the operations a second that were taken."""
        while self._time.now < seconds:
            self._fill()
            self._step(seconds)
        return (sum(self.taken) + self._under_way()) / seconds

    def _under_way(self) -> float:
        """Return the operations that were taken of what is under way, by the time it has had."""
        now = self._time.now
        return sum(
            found.taken * (now - began) / (end - began)
            for end, _, began, _, found in self._ends
            if not found.outage
        )

    def _fix(self, size: int, number: int) -> None:
        """Have batches of *size*, and so many at once, whatever becomes of them."""
        sizes = self.bench.sizing[_TARGET]
        sizes._operations = Reach(least=size, most=size)
        sizes._batches = Reach(least=number, most=number)
        sizes._abreast = Abreast(number)
        sizes._abreast._patience = math.inf
        sizes._losses.best = lambda: math.inf

    def _fill(self) -> None:
        """Have the broker send what the prefetch lets it."""
        batcher, consumer = self.bench.batcher, self.bench.consumer
        while batcher.in_hand.total() < _PREFETCH + consumer.extra:
            if _TARGET in self.bench.subscriptions.paused:
                return
            batcher.add(Delivery(self._body))

    def _step(self, until: float) -> None:
        """Let time pass until something happens."""
        times = [alarm.at for alarm in self.bench.consumer.alarms]
        times += [self._ends[0][0]] if self._ends else []
        self._time.now = max(self._time.now, min([*times, self._time.now + _LOOK_S, until]))
        while self._ends and self._ends[0][0] <= self._time.now:
            heapq.heappop(self._ends)[3]()
        self.bench.consumer.turn()
        sizes = self.bench.sizing[_TARGET]
        now = sizes.operations, sizes.batches
        if not self.sizes or self.sizes[-1][1:] != now:
            self.sizes.append((self._time.now, *now))

    def _begin(self, _work: Any, args: Any, *, callback: Callable[[Any], None]) -> None:
        """Begin a batch on a thread of the pool."""
        _, batch, together = args
        number = int(self._time.now / self._each_s) % len(self._regimes)
        running = self.bench.batcher.running
        operations = sum(held.operations for held in batch)
        found = course(self._regimes[number], operations, together, running, self._random)
        now = self._time.now
        heapq.heappush(
            self._ends,
            (
                now + found.seconds,
                next(self._numbers),
                now,
                lambda: self._end(number, found, len(batch), callback),
                found,
            ),
        )

    def _end(
        self, number: int, found: Course, messages: int, callback: Callable[[Any], None]
    ) -> None:
        if not found.outage:
            self.taken[number] += found.taken
        callback(report(found, messages))
