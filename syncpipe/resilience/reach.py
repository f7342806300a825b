"""A number that grows while all is well and shrinks on trouble, within limits.

Additive increase, multiplicative decrease (Chiu and Jain, 1989), as TCP's window has it, with its
slow start: below the threshold, half of where trouble was last, it doubles; from there it grows
evenly. When it meets trouble again before it has got past that place, it takes twice as long the
next time, so that what is the same for long is seldom tried. When it gets past it, the world has
changed: it forgets, and doubles.
"""

from __future__ import annotations

#: How long it takes from half of where trouble was to there, at first and at most, seconds.
_FIRST_S, _LONGEST_S = 1.0, 32.0


class Reach:
    """One such number. Pure; how time passes, it is told."""

    def __init__(self, *, least: int, most: int, first: int | None = None) -> None:
        """Stay between *least* and *most*; begin with *first*, or the most."""
        self._least, self._most = min(least, most), most
        self._value = float(min(first or most, most))
        self._threshold = float(most)
        self._patience_s = _FIRST_S

    @property
    def now(self) -> int:
        """The number as it is now."""
        return int(self._value + 0.5)

    @property
    def smallest(self) -> bool:
        """Whether it cannot shrink."""
        return self.now <= self._least

    def grow(self, seconds: float, *, used: int, to: float = float("inf")) -> None:
        """Note that all went well for *seconds* with so much *used*; do not grow beyond *to*."""
        if used >= 2 * self._threshold:
            self._threshold, self._patience_s = self._most, _FIRST_S
        if self._value < self._threshold:
            more = min(2 * self._value, self._threshold)
        else:
            more = self._value + self._threshold * seconds / self._patience_s
        self._set(min(more, max(to, self._value)))

    def shrink(self, *, to: float = float("inf")) -> None:
        """Note that there was trouble: half as much, or *to*, if that is less."""
        if self._value > self._threshold:
            self._patience_s = min(2 * self._patience_s, _LONGEST_S)
        self._threshold = max(self._least, self.now / 2)
        self._set(min(self._threshold, to))

    def rise(self, *, to: float) -> None:
        """Grow to *to* at once: less was no better."""
        self._set(max(self._value, to))

    def fit(self, most: float) -> None:
        """Shrink to *most*, which is no trouble: it may grow again at once."""
        self._set(min(self._value, most))

    def restart(self) -> None:
        """Begin with the least, and double until where it was."""
        self._threshold = max(self._threshold, self._value)
        self._set(self._least)

    def _set(self, value: float) -> None:
        self._value = max(self._least, min(value, self._most))
