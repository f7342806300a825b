"""How large one target's batches are in one process, and how many run at once.

The target shows it by how it takes them. What is configured is the most of both.

- A batch that takes longer than the target's limit makes the next as large as what fits. The cost
  of a batch is at most proportional to its operations, so that does not overshoot. Where none would
  fit, the limit is another (see `latency`), and a batch far smaller than allowed is not to blame.
- Where calls fail because the target is busy, they become as small as is best (see `losses`).
- Where a statement takes longer than it may, or the target is too busy for all of a batch, the next
  are half as large; where they are as small as they get, fewer run at once.
- A target that says that it was asked too often gets fewer at once. Many count requests, which
  smaller batches would only make more: they become smaller only where the target has taken a
  smaller one since it said so the last time, and none as large.
- After an outage batches begin small, and double until where they were. It says nothing about
  sizes, unless they are to be blamed in the same way: a large request may take too long.
- Only what was used grows: a batch that was not full, or beside which another had its place, would
  have gone as well with less.
- As many run at once as bring more than fewer do (see `abreast`). While that is looked at, sizes
  stay as they are; and it is not, while sizes change much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto

from syncpipe.resilience.abreast import Abreast
from syncpipe.resilience.latency import Latency
from syncpipe.resilience.losses import Losses
from syncpipe.resilience.reach import Reach

#: The smallest a batch becomes, and the largest that the first may be, operations.
FLOOR, _FIRST = 10, 1000
#: The most calls of one batch: an envelope may hold many more operations than a batch is to have.
MOST_CALLS = 32
#: How much smaller than allowed a batch is whose size has nothing to do with how long it took.
_FAR = 8
#: How much larger a batch has to be than those that were taken to be blamed for being too large.
_LARGER = 1.1
#: By how much sizes may change while numbers at once are compared.
_STEADY = 1.3


class End(Enum):
    """How a batch ended, as far as sizes are concerned."""

    #: The target took it.
    TAKEN = auto()
    #: A statement took longer than it may, or the target was too busy for all of it.
    TOO_MUCH = auto()
    #: The target said that it was asked too often.
    THROTTLED = auto()
    #: The target was not there.
    DOWN = auto()
    #: Nothing that has to do with sizes: some of it was refused and sought, or the fault was ours.
    SILENT = auto()


@dataclass(frozen=True, slots=True)
class Run:
    """What became of one batch."""

    #: When it began, in monotonic seconds.
    began: float
    #: How many operations it held.
    operations: int
    #: Seconds that the target took for it.
    seconds: float
    #: How it ended.
    end: End
    #: How many of its calls failed because the target was busy: of lock timeouts, deadlocks and
    #: serialization failures.
    failed: int = 0
    #: Whether there were operations for a larger one.
    full: bool = False
    #: How many ran when it ended, with itself.
    running: int = 1
    #: Whether there was something for another.
    waiting: bool = False


class Sizes:
    """The sizes for one target. Pure: time is an argument, in monotonic seconds."""

    def __init__(self, *, operations: int, batches: int, limit_s: float, call: int) -> None:
        """Allow at most so many *operations* in a batch, and so many *batches* at once.

        A batch should take no longer than *limit_s* seconds. The target gets it in calls of at most
        *call* records each: where a batch has more, it is its calls that are to become smaller.
        """
        self._operations = Reach(least=FLOOR, most=operations, first=_FIRST)
        self._batches = Reach(least=1, most=batches)
        self._abreast = Abreast(batches)
        self._latency = Latency(limit_s)
        self._losses = Losses()
        #: The most operations of a call, by how it would fail.
        self._most = math.inf
        self._limit_s, self._call = limit_s, call
        #: Operations of batches when it was last begun to compare numbers of them.
        self._compared = self.operations
        #: Operations of the largest batch that was taken since the target said no to all.
        self._taken = 0
        #: When something shrank: what began before says nothing about what is now.
        self._shrunk = self._grew = float("-inf")

    @property
    def operations(self) -> int:
        """The most operations in the next batch."""
        return int(min(self._operations.now, self._most))

    @property
    def batches(self) -> int:
        """The most batches at once."""
        return min(self._batches.now, self._abreast.now)

    def together(self, operations: int) -> int:
        """Return the most records in one call of a batch of so many *operations*."""
        return max(self.operations, -(-operations // MOST_CALLS))

    def ended(self, now: float, run: Run) -> None:
        """Learn from a batch that has ended."""
        if run.end is End.SILENT:
            return
        # An envelope that is larger than a batch is applied in parts.
        size = min(run.operations, self.together(run.operations))
        if run.end is End.TAKEN:
            self._count(now, run, size)
            self._compare(now, run)
        if run.began < self._shrunk:
            return
        if run.end is End.TAKEN:
            self._fit(now, run, size)
        else:
            self._suffer(now, run)

    def takes(self, operations: int) -> None:
        """Note that so many *operations* were taken in a batch that tells nothing else."""
        self._taken = max(self._taken, operations)

    def _suffer(self, now: float, run: Run) -> None:
        """Have batches be smaller, or fewer, after one that the target did not take."""
        if run.end is End.TOO_MUCH:
            self._halve()
        else:
            blamed = self._blame(run)
            if run.end is End.DOWN:
                self._operations.restart()
            elif not blamed:
                self._batches.shrink()
        self._abreast.begin_anew(now)
        self._shrunk = now

    def _blame(self, run: Run) -> bool:
        """Shrink batches if their size is to be blamed for what the target said; return whether."""
        blamed = run.full and 0 < _LARGER * self._taken < run.operations
        if blamed:
            self._operations.shrink(to=self._taken)
        self._taken = 0
        return blamed

    def _halve(self) -> None:
        """Make batches smaller, or have fewer."""
        if self._operations.smallest:
            self._batches.shrink()
        else:
            self._operations.fit(self._call)
            self._operations.shrink()

    def _count(self, now: float, run: Run, size: int) -> None:
        """Count what a batch in calls of such a *size* took, and what failures did to it."""
        if not run.failed or self._near(size):
            self._losses.note(
                now,
                operations=run.operations,
                size=min(size, self._call),
                seconds=run.seconds,
                failed=run.failed,
            )

    def _near(self, size: int) -> bool:
        """Return whether sizes may have to do with what became of a batch of this one."""
        return _FAR * size >= self.operations

    def _fit(self, now: float, run: Run, size: int) -> None:
        """Fit sizes to a batch that the target took."""
        self.takes(run.operations)
        if self._abreast.looking:
            return
        self._lose(now, run, size)
        if self._near(size) and not run.failed:
            self._time(now, run, size)

    def _compare(self, now: float, run: Run) -> None:
        """Compare the number at once with others, unless sizes change much meanwhile."""
        small, large = sorted((self._compared, self.operations))
        if not self._abreast.looking and large > _STEADY * small:
            self._abreast.begin_anew(now, soon=2 * self._operations.now < self._compared)
            self._compared = self.operations
        if not run.full or self._abreast.now > self._batches.now:
            return
        if run.running < self.batches:
            if not run.waiting:
                self._abreast.left(now, began=run.began)
            return
        self._abreast.ended(
            now,
            began=run.began,
            operations=run.operations,
            seconds=now - run.began,  # with our own time: what it brings in all
            rate=self._losses.rate,
            most=self._batches.now,
        )

    def _lose(self, now: float, run: Run, size: int) -> None:
        """Have calls be as large as is best, by how they fail; at most twice as large as before."""
        before, self._most = self._most, max(FLOOR, self._losses.best())
        if self._most > before:
            self._most = max(before, min(self._most, 2 * size if run.full else 0))
        if self._most >= self._call:
            self._most = math.inf
        if self._most < before:
            self._shrunk = now

    def _time(self, now: float, run: Run, size: int) -> None:
        """Have batches be as large as the target can take in time."""
        seconds, limit_s = run.seconds * size / run.operations, self._latency.limit_s(now)
        fitting = size * limit_s / max(seconds, 1e-9)
        if fitting > self._call and limit_s > self._limit_s:
            fitting -= fitting % self._call  # one that is not full takes as long as one that is
        if seconds > limit_s:
            self._hasten(now, size, seconds, fitting)
        else:
            self._latency.in_time(now, size, seconds)
            self._grow(now, run, size, fitting)

    def _hasten(self, now: float, size: int, seconds: float, fitting: float) -> None:
        """Have batches be as small as is *fitting*, unless that turns out to be no help."""
        larger = self._latency.late(now, size, seconds)
        if larger:
            self._operations.rise(to=larger)
        elif self._operations.smallest and not self._latency.known(now):
            self._operations.rise(to=2 * size)  # to have something to compare
        else:
            self._operations.fit(max(fitting, size / 2))
        self._shrunk = now

    def _grow(self, now: float, run: Run, size: int, fitting: float) -> None:
        """Allow more of what was used, and no more operations than are *fitting*."""
        seconds, self._grew = min(run.seconds, now - self._grew), now
        if run.full:
            self._operations.grow(seconds, used=size, to=min(fitting, 2 * run.operations))
        if run.waiting and run.running >= self.batches:
            self._batches.grow(seconds, used=self.batches)
