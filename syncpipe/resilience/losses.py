"""How large one target's calls are best, where some fail because it is busy. Pure.

A call takes some time however little it holds, which large calls share among many operations; and
where it fails, the more is lost the more it holds. With `call_s` for the one, and `lost_s` for each
operation of a call that fails, as `p` of all operations have theirs do, an operation costs
``call_s / size + p * lost_s * size`` beside what does not depend on sizes. That is least where both
are equal, at the root of ``call_s / (p * lost_s)``. So checkpoints are spaced, too (Young, 1974).

What a failure loses whatever the call held, such as the wait for a lock, is no reason for smaller
ones. Straight lines, through the calls that passed and through those that failed, tell both apart.
"""

from __future__ import annotations

import math

#: Seconds in which what was seen fades to a third.
_FADING_S = 30.0
#: How far sizes have to differ, as a share of them, for their times to tell much.
_SPREAD = 0.05
#: What a call takes however little it holds is at least such a share of what it takes.
_LEAST = 0.02
#: The weight of one of nothing, which loses nothing, as a share of that of those that failed: where
#: these are all of a size, they seem to lose by it, and smaller ones show whether they do.
_ORIGIN = 0.05
#: How many failures in a row may fail to come before that counts, and all are forgotten.
_MISSED, _GONE = 8.0, 20.0


class Losses:
    """What failures cost one target's calls. Times are arguments, in monotonic seconds."""

    def __init__(self) -> None:
        """Know nothing."""
        self._passed, self._failed = _Line(), _Line()
        self._failures = self._operations = 0.0
        #: How many failed, by the operations, when one did, and operations since.
        self._usual, self._since = 0.0, 0
        self._at = 0.0

    def note(self, now: float, *, operations: int, size: int, seconds: float, failed: int) -> None:
        """Note a batch, in calls of *size* operations; so many calls *failed*."""
        self._fade(now)
        self._operations += operations
        calls = math.ceil(operations / size)
        if not failed:
            self._since += operations
            if self._usual * self._since > _GONE:
                self._failures = 0.0
            self._passed.add(operations / calls, seconds / calls)
            return
        call_s, each_s = self._passed.through(spread=_SPREAD)
        lost_s = max(0.0, seconds - calls * call_s - operations * each_s)
        self._failures += failed
        self._usual, self._since = self._failures / self._operations, 0
        self._failed.add(size, lost_s / failed, weight=failed)

    @property
    def rate(self) -> float:
        """How many calls fail, by the operations; 0 if none has lately.

        Where none fails for far longer than it should take, they become ever fewer.
        """
        if self._failures < 1:
            return 0.0
        missed = self._usual * self._since
        return self._failures / self._operations * math.exp(min(0.0, _MISSED - missed))

    def best(self) -> float:
        """Return the best size of a call; infinity if failures are no reason for any."""
        _, lost_s = self._failed.through(origin=_ORIGIN)
        costs = self.rate * lost_s
        if costs <= 0:
            return math.inf
        call_s, _ = self._passed.through(spread=_SPREAD)
        return math.sqrt(max(call_s, _LEAST * self._passed.height) / costs)

    def _fade(self, now: float) -> None:
        """Let what was seen weigh less."""
        weight = math.exp(-max(0.0, now - self._at) / _FADING_S)
        self._at = max(now, self._at)
        self._failures *= weight
        self._operations *= weight
        self._passed.fade(weight)
        self._failed.fade(weight)


class _Line:
    """The straight line that fits points best."""

    def __init__(self) -> None:
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    def fade(self, weight: float) -> None:
        self._weight *= weight
        self._x *= weight
        self._y *= weight
        self._xx *= weight
        self._xy *= weight

    def add(self, x: float, y: float, *, weight: float = 1.0) -> None:
        self._weight += weight
        self._x += weight * x
        self._y += weight * y
        self._xx += weight * x * x
        self._xy += weight * x * y

    @property
    def height(self) -> float:
        """How high the points lie."""
        return self._y / self._weight if self._weight else 0.0

    def through(self, *, origin: float = 0.0, spread: float = 0.0) -> tuple[float, float]:
        """Return where it begins and how it rises, neither less than 0.

        The *origin* counts as such a share of the points. Points of much less *spread*, as a share
        of where they are, tell of no rise.
        """
        weight = self._weight * (1 + origin)
        if not self._weight:
            return 0.0, 0.0
        x, y = self._x / weight, self._y / weight
        variance = self._xx / weight - x * x + (spread * x) ** 2
        rise = (self._xy / weight - x * y) / variance if variance > 0 else 0.0
        rise = min(max(0.0, rise), y / x)
        return y - rise * x, rise
