"""What a process remembers of a target that was asked too often."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock
    from syncpipe.errors import TargetThrottled

#: Shortest and longest time for which a target is left alone, whatever it says, seconds.
_SHORTEST_S, _LONGEST_S = 1.0, 300.0
#: What is added with each time in a row, where it does not say for how long, seconds.
_STEP_S = 1.0


class Throttle:
    """Says for how long to leave a target alone that takes no more for now. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Begin well."""
        self._clock = clock
        self._lock = threading.Lock()
        self._told = False
        self._times = 0
        self._until = 0.0

    def told(self, error: TargetThrottled, *, took: bool) -> tuple[float, bool]:
        """Note what the target said; return the seconds to leave it alone and if that is news.

        *took* is whether it took something before. Batches that were under way together are told
        together: that counts once, and the longest time holds.
        """
        with self._lock:
            now = self._clock.monotonic()
            news, self._told = not self._told, True
            if took:
                self._times = 1
            elif now >= self._until:
                self._times += 1
            said_s = self._times * _STEP_S if error.retry_after_s is None else error.retry_after_s
            self._until = max(self._until, now + min(max(said_s, _SHORTEST_S), _LONGEST_S))
            return self._until - now, news

    def passed(self) -> bool:
        """Note that the target took everything; return whether that is news."""
        with self._lock:
            told, self._told, self._times = self._told, False, 0
            return told
