"""A clock that moves only when told, and randomness that repeats."""

from __future__ import annotations

import random

#: Where a fake clock starts unless told otherwise: 2026-01-01 00:00:00 UTC, in milliseconds.
START_MS = 1_767_225_600_000


class FakeClock:
    """A clock that moves only by `advance`, as :class:`syncpipe.core.chance.Clock`."""

    def __init__(self, now_ms: int = START_MS) -> None:
        """Start at *now_ms*, milliseconds since the Unix epoch."""
        self._now_ms = now_ms
        self._elapsed_ms = 0

    def now_ms(self) -> int:
        """Wall-clock milliseconds since the Unix epoch."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed_ms / 1000

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        elapsed_ms = round(seconds * 1000)
        self._now_ms += elapsed_ms
        self._elapsed_ms += elapsed_ms

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone by *seconds*, back if negative, as a mended clock does."""
        self._now_ms += round(seconds * 1000)


class SeededRandom:
    """Randomness that repeats for the same seed, as :class:`syncpipe.core.chance.Random`."""

    def __init__(self, seed: int = 0) -> None:
        """Start the sequence that belongs to *seed*."""
        self._random = random.Random(seed)  # noqa: S311 - repeatable is the point

    def bits(self, count: int) -> int:
        """Return a uniformly distributed integer of *count* bits."""
        return self._random.getrandbits(count)
