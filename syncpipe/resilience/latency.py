"""How long one target's batches may take: a limit, unless hardly a batch can be so quick. Pure.

A distant target, or one that does the same work for each request, takes its time however little a
batch holds. Smaller batches would take as long and bring less, without end. So a straight line
through a batch that was late and a much smaller one tells what one of nothing would take. Three
times as long is not late: two thirds of it are put to use.
"""

from __future__ import annotations

#: By how many times two batches have to differ for their times to be compared.
_MUCH = 2
#: Seconds for which what they told is believed: another look costs a few batches.
_BELIEVED_S = 120.0
#: How many times as long as one of nothing a batch may take.
_TIMES = 3
#: By how much one that is quicker is believed more.
_WEIGHT = 0.1


class Latency:
    """The limit for one target. Times are arguments, in monotonic seconds."""

    def __init__(self, limit_s: float) -> None:
        """Allow *limit_s* seconds, where a batch can be so quick."""
        self._limit_s = limit_s
        #: Seconds that a batch of nothing would take, and until when that is believed.
        self._least_s = 0.0
        self._until = float("-inf")
        #: Operations and seconds of a batch that was late, to compare others with.
        self._late: tuple[int, float] | None = None

    def limit_s(self, now: float) -> float:
        """Return the seconds that a batch may take."""
        return max(self._limit_s, _TIMES * self._least_s) if self.known(now) else self._limit_s

    def known(self, now: float) -> bool:
        """Return whether there is something to go by."""
        return now < self._until

    def in_time(self, now: float, size: int, seconds: float) -> None:
        """Note a batch of *size* operations that took no longer than it may."""
        if self._compare(now, size, seconds):
            self._late = None
        self._least_s += min(0.0, seconds - self._least_s) * _WEIGHT

    def late(self, now: float, size: int, seconds: float) -> int | None:
        """Note one that took longer; return the size to go back to, if smaller is no better."""
        before = self._late
        if before is None:
            self._late = size, seconds
        elif self._compare(now, size, seconds):
            self._late = size, seconds
            small, large = sorted((before, self._late))
            return large[0] if max(small[1], large[1]) <= self.limit_s(now) else None
        return None

    def _compare(self, now: float, size: int, seconds: float) -> bool:
        """Draw the line through a batch and the one that was late; return whether they differ."""
        small, large = sorted((self._late or (size, seconds), (size, seconds)))
        if _MUCH * small[0] > large[0]:
            return False
        each_s = max(0.0, large[1] - small[1]) / (large[0] - small[0])
        least_s = min(small[1], large[1]) - small[0] * each_s
        self._least_s, self._until = max(0.0, least_s), now + _BELIEVED_S
        return True
