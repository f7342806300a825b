"""Calls of the last while, by how they ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

#: In so many steps the window moves on.
_STEPS = 10


@dataclass(slots=True)
class _Step:
    number: int
    calls: int = 0
    failed: int = 0
    slow: int = 0


class Window:
    """Counts calls, and forgets them step by step. Costs the same however many there are."""

    def __init__(self, seconds: float) -> None:
        """Reach back for so many *seconds*."""
        self._step_s = seconds / _STEPS
        self._steps: deque[_Step] = deque()

    def add(self, now: float, *, failed: bool = False, slow: bool = False) -> None:
        """Count a call that ended at *now*, in monotonic seconds."""
        number = self._forget(now)
        if not self._steps or self._steps[-1].number != number:
            self._steps.append(_Step(number))
        step = self._steps[-1]
        step.calls += 1
        step.failed += failed
        step.slow += slow

    def shares(self, now: float, *, least: int) -> tuple[float, float]:
        """Return the shares of calls that failed, and that were slow; 0 of less than *least*."""
        self._forget(now)
        calls = sum(step.calls for step in self._steps)
        if not calls or calls < least:
            return 0.0, 0.0
        failed = sum(step.failed for step in self._steps)
        return failed / calls, sum(step.slow for step in self._steps) / calls

    def clear(self) -> None:
        """Forget everything."""
        self._steps.clear()

    def _forget(self, now: float) -> int:
        """Forget what is too old; return the number of the present step."""
        number = int(now / self._step_s)
        while self._steps and self._steps[0].number <= number - _STEPS:
            self._steps.popleft()
        return number
