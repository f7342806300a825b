"""How many of one target's batches run at once, by what that brings. Pure.

By Little's law, a target takes as many operations a second as are under way, by the seconds that
they take. Where it does its work one after the other, or batches wait for each other's locks, more
at once take as much longer, or longer still. Only a look tells: now and then far fewer, or twice as
many, run for a few batches. More stay where they bring more, fewer where they bring about as much.
Looks that change nothing become rare.
"""

from __future__ import annotations

from dataclasses import dataclass

#: How many rounds of batches a look takes, and how many times as many come before the next one, at
#: first and at most.
_ROUNDS, _FIRST, _LONGEST = 2, 4, 64
#: How many calls should have failed before a look, where some do: a single one may cost very much.
_FAILURES = 8.0
#: How many times as many, and as few, are looked at. With much fewer, chance hardly misleads.
_MORE, _FEWER = 2, 4
#: How much of the speed of more at once fewer have to reach to be preferred.
_ENOUGH = 0.95
#: How much of the speed a look that goes on has to show from its first batch on.
_HOPELESS = 0.5


@dataclass(slots=True)
class _Stay:
    """What batches were like with one number at once."""

    batches: int = 0
    operations: int = 0
    seconds: float = 0.0

    def add(self, operations: int, seconds: float) -> None:
        self.batches += 1
        self.operations += operations
        self.seconds += seconds

    def speed(self, number: int) -> float:
        """Return the operations a second, with such a *number* at once."""
        return number * self.operations / max(self.seconds, 1e-9)


class Abreast:
    """How many batches run at once. Times are arguments, in monotonic seconds."""

    def __init__(self, most: int) -> None:
        """Begin with the *most*."""
        self._most = self._number = most
        #: How many there are while others are looked at.
        self._other: int | None = None
        self._here, self._there = _Stay(), _Stay()
        self._patience, self._up = _FIRST, False
        #: When that, or the number, was another: what began before tells nothing.
        self._changed = float("-inf")
        #: When the next look may begin: one that takes long, because much fails, is dear.
        self._rests_until = float("-inf")

    @property
    def now(self) -> int:
        """The number as it is now."""
        return self._number if self._other is None else self._other

    @property
    def looking(self) -> bool:
        """Whether it is another for a while, to be compared with: nothing else should change."""
        return self._other is not None

    def begin_anew(self, now: float, *, soon: bool = False) -> None:
        """Note that batches are not what they were; look *soon* where that was for trouble."""
        self._changed = now
        self._other, self._here, self._there = None, _Stay(), _Stay()
        if soon:
            self._patience = _FIRST

    def ended(
        self, now: float, *, began: float, operations: int, seconds: float, rate: float, most: int
    ) -> None:
        """Note a batch beside which all places were taken; *rate* is that of calls that fail.

        There may be at most so many as *most* for another reason.
        """
        if began < self._changed:
            return
        if self._other is not None:
            self._there.add(operations, seconds)
            self._decide(now, self._other)
            return
        self._here.add(operations, seconds)
        failed = not rate or rate * self._here.operations >= _FAILURES
        long = self._here.batches >= self._patience * _ROUNDS * self._number
        if failed and long and now >= self._rests_until:
            self._look(now, min(most, self._most))

    def left(self, now: float, *, began: float) -> None:
        """Note a batch beside which there was a place that nothing took: more bring nothing."""
        if self._other is not None and began >= self._changed:
            self._stay(now)

    def _look(self, now: float, most: int) -> None:
        """Have another number for a while, if there is any."""
        if self._number in (1, most):
            self._up = self._number < most
        more, fewer = min(_MORE * self._number, most), max(1, self._number // _FEWER)
        other = more if self._up else fewer
        if other == self._number:
            self.begin_anew(now)
        else:
            self._other, self._changed = other, now

    def _decide(self, now: float, other: int) -> None:
        """Keep the better number, when that is known; fewer, if they are about as good."""
        here, there = self._here.speed(self._number), self._there.speed(other)
        if there < _HOPELESS * here:
            self._stay(now)
        elif self._there.batches >= _ROUNDS * other:
            if _ENOUGH * there > here if self._up else there >= _ENOUGH * here:
                self._number, self._patience = other, _FIRST
                self.begin_anew(now)
            else:
                self._stay(now)

    def _stay(self, now: float) -> None:
        """Keep the number that was, and look the other way the next time, but later."""
        self._rests_until = now + self._patience * (now - self._changed)
        self._up, self._patience = not self._up, min(2 * self._patience, _LONGEST)
        self.begin_anew(now)
