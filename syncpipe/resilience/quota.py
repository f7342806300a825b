"""How many operations a target gets in a time, and when the next ones may begin.

The generic cell rate algorithm (ITU-T I.371), as a reservation: it remembers one moment, up to
which the quota is spent. Whoever asks is served in turn, so that those who ask for the same again
and again get the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|min|h)")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Quota:
    """How many operations a target gets."""

    #: Seconds for which each of them spends the quota.
    interval_s: float
    #: Operations that may begin at once after a pause.
    burst: float

    @property
    def per_s(self) -> float:
        """Operations in a second."""
        return 1 / self.interval_s

    def share(self, processes: int) -> Quota:
        """Return the even share of each of so many *processes*."""
        return replace(self, interval_s=self.interval_s * processes, burst=self.burst / processes)

    def reserve(self, spent: float, now: float, operations: int) -> tuple[float, float]:
        """Reserve *operations*; return until when the quota is spent then, and how long to wait.

        It is *spent* until now, both in seconds of the same clock. More than a burst waits for a
        whole one, and leaves a debt.
        """
        spent = max(spent, now)
        cost_s = operations * self.interval_s
        room_s = max(0.0, self.burst * self.interval_s - cost_s)
        return spent + cost_s, max(0.0, spent - now - room_s)


def parse_quota(rate: str, burst: int | None) -> Quota:
    """Return the quota of ``"1000/min"`` and the like; *burst* is a second's worth unless given.

    Raises:
        ValueError: *rate* is not a number above 0, a slash, and s, min or h.

    """
    match = _RATE.fullmatch(rate.strip())
    if match is None or not float(match[1]):
        raise ValueError(rate)
    interval_s = _SECONDS[match[2]] / float(match[1])
    return Quota(interval_s, burst or max(1.0, 1 / interval_s))
