"""The real clock and real randomness, handed to everything below the wiring."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """The machine's clocks, as :class:`syncpipe.core.chance.Clock`."""

    __slots__ = ()

    def now_ms(self) -> int:
        """Wall-clock milliseconds since the Unix epoch; may jump."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back, for differences and deadlines."""
        return time.monotonic()


class SystemRandom:
    """The kernel's randomness, as :class:`syncpipe.core.chance.Random`.

    It keeps no state of its own, so a forked child never repeats its parent.
    """

    __slots__ = ()

    def bits(self, count: int) -> int:
        """Return a uniformly distributed integer of *count* bits."""
        return secrets.randbits(count)
