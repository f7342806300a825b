"""Time and chance, which come in from outside so that the same code runs in a seeded simulation."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now_ms(self) -> int:
        """Wall-clock milliseconds since the Unix epoch; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for differences and deadlines."""
        ...


class Random(Protocol):
    """Gives random bits."""

    def bits(self, count: int) -> int:
        """Return a uniformly distributed integer of *count* bits."""
        ...
