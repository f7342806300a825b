"""Measures how long stages take."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.chance import Clock

P = ParamSpec("P")
R = TypeVar("R")


class Stopwatch:
    """Times calls, one after the other."""

    def __init__(self, clock: Clock) -> None:
        """Measure with *clock*."""
        self._clock = clock
        #: Milliseconds by name.
        self.spent_ms: dict[str, float] = {}

    def __call__(self, name: str, stage: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Call *stage*, note the time as *name*, and return what it returns."""
        began = self._clock.monotonic()
        try:
            return stage(*args, **options)
        finally:
            self.spent_ms[name] = round(1000 * (self._clock.monotonic() - began), 2)
