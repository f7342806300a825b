"""How large one target's batches are in one process, and how many run at once.

The target shows it by how it takes them. Each of the two numbers is a `Reach`, and what is
configured is its most.

- A batch that takes longer than the target's limit makes the next as large as what fits. The cost
  of a batch is at most proportional to its operations, so that does not overshoot. Where none would
  fit, the limit is another (see `latency`), and a batch far smaller than allowed is not to blame.
- Where more than one call of twenty fails because the target is busy, or one takes too long for
  that, batches become half as large. If operations have not become cheaper by it when that
  happens again, it is undone: what does not depend on sizes leads nowhere.
- Where batches are as small as they get, fewer run at once.
- A target that says that it was asked too often gets fewer at once. Many count requests, which
  smaller batches would only make more: they become smaller only where the target has taken a
  smaller one since it said so the last time, and none as large.
- After an outage batches begin small, and double until where they were. It says nothing about
  sizes, unless they are to be blamed in the same way: a large request may take too long.
- Only what was used grows: a batch that was not full, or beside which another had its place, would
  have gone as well with less.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from syncpipe.resilience.latency import Latency
from syncpipe.resilience.reach import Reach

#: The smallest a batch becomes, and the largest that the first may be, operations.
FLOOR, _FIRST = 10, 1000
#: The most calls of one batch: an envelope may hold many more operations than a batch is to have.
MOST_CALLS = 32
#: The share of calls that fail above which there is trouble, and the weight of the latest call.
_MOST_FAILING, _WEIGHT = 0.05, 0.01
#: The weight of the latest batch in what operations cost.
_FADING = 0.03
#: What operations may cost at most of what they did for it to pay that batches are smaller.
_PAYS = 0.9
#: Seconds for which sizes stay as they are after that did not pay.
_HOLD_S = 5.0
#: How much smaller than allowed a batch is whose size has nothing to do with how long it took.
_FAR = 8
#: How much larger a batch has to be than those that were taken to be blamed for being too large.
_LARGER = 1.1


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
    #: Whether as many ran as may, and there was something for another.
    crowded: bool = False


class Sizes:
    """The sizes for one target. Pure: time is an argument, in monotonic seconds."""

    def __init__(self, *, operations: int, batches: int, limit_s: float, call: int) -> None:
        """Allow at most so many *operations* in a batch, and so many *batches* at once.

        A batch should take no longer than *limit_s* seconds. The target gets it in calls of at most
        *call* records each: where a batch has more, it is its calls that are to become smaller.
        """
        self._operations = Reach(least=FLOOR, most=operations, first=_FIRST)
        self._batches = Reach(least=1, most=batches)
        self._limit_s, self._latency = limit_s, Latency(limit_s)
        self._call = call
        self._failing = 0.0
        #: Seconds and operations of the latest batches, and what one cost before the last halving.
        self._seconds = self._done = 0.0
        self._before: float | None = None
        #: Until when sizes stay as they are, because smaller ones did not pay.
        self._held_until = float("-inf")
        #: Operations of the largest batch that was taken since the target said no to all.
        self._taken = 0
        #: When something shrank: what began before says nothing about what is now.
        self._shrunk = self._grew = float("-inf")

    @property
    def operations(self) -> int:
        """The most operations in the next batch."""
        return self._operations.now

    @property
    def batches(self) -> int:
        """The most batches at once."""
        return self._batches.now

    def together(self, operations: int) -> int:
        """Return the most records in one call of a batch of so many *operations*."""
        return max(self.operations, -(-operations // MOST_CALLS))

    def ended(self, now: float, run: Run) -> None:
        """Learn from a batch that has ended."""
        if run.began < self._shrunk or run.end is End.SILENT:
            return
        if run.end is End.DOWN:
            self._blame(run)
            self._operations.restart()
            self._begin_anew(now)
        elif run.end is End.THROTTLED:
            if not self._blame(run):
                self._batches.shrink()
            self._begin_anew(now)
        else:
            self._count(run)
            self._learn(now, run)

    def takes(self, operations: int) -> None:
        """Note that so many *operations* were taken in a batch that tells nothing else."""
        self._taken = max(self._taken, operations)

    def _blame(self, run: Run) -> bool:
        """Shrink batches if their size is to be blamed for what the target said; return whether."""
        blamed = run.full and 0 < _LARGER * self._taken < run.operations
        if blamed:
            self._operations.shrink(to=self._taken)
        self._taken, self._before = 0, None
        return blamed

    def _count(self, run: Run) -> None:
        """Count calls by how they ended, and what operations cost."""
        for _ in range(run.failed):
            self._failing += (1 - self._failing) * _WEIGHT
        if run.end is End.TAKEN:
            self._failing -= self._failing * _WEIGHT
            self.takes(run.operations)
        self._seconds += run.seconds - self._seconds * _FADING
        self._done += run.operations - self._done * _FADING

    def _learn(self, now: float, run: Run) -> None:
        """Fit the sizes to a batch that the target has had its time for."""
        # An envelope that is larger than a batch is applied in parts.
        size = min(run.operations, self.together(run.operations))
        seconds, limit_s = run.seconds * size / run.operations, self._latency.limit_s(now)
        late = seconds > limit_s
        blamed = late and _FAR * size >= self.operations
        busy = (
            run.end is End.TOO_MUCH or self._failing > _MOST_FAILING or (blamed and run.failed > 0)
        )
        fitting = size * limit_s / max(seconds, 1e-9)
        if fitting > self._call and limit_s > self._limit_s:
            fitting -= fitting % self._call  # one that is not full takes as long as one that is
        if busy and now >= self._held_until:
            self._halve(now, late=late)
        elif blamed:
            self._hasten(now, size, seconds, fitting)
        elif not late:
            if _FAR * size >= self.operations:
                self._latency.in_time(now, size, seconds)
            if now >= self._held_until:
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
        if run.crowded:
            self._batches.grow(seconds, used=self.batches)

    def _halve(self, now: float, *, late: bool) -> None:
        """Make batches smaller, or have fewer; if that did not pay the last time, undo it."""
        price = self._seconds / max(1.0, self._done)
        if not late and self._before is not None and price > _PAYS * self._before:
            self._operations.undo()
            self._before, self._held_until = None, now + _HOLD_S
        elif self._operations.smallest:
            self._batches.shrink()
        else:
            self._operations.fit(self._call)
            self._operations.shrink()
            self._before = price
        self._begin_anew(now)

    def _begin_anew(self, now: float) -> None:
        """Count from now on what the present sizes are like."""
        self._shrunk = now
        self._failing = self._seconds = self._done = 0.0
