"""What a process remembers of a target that is down or misconfigured."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncpipe.pipeline.backoff import equal_jitter

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock, Random
    from syncpipe.pipeline.options import WorkerOptions


class Outage:
    """Counts failures in a row. Thread-safe."""

    def __init__(self, options: WorkerOptions, clock: Clock, random: Random) -> None:
        """Begin well."""
        self._options = options
        self._clock = clock
        self._random = random
        self._lock = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def failed(self) -> tuple[float, bool]:
        """Note a failure; return the seconds to leave the target alone and whether it is news.

        Batches that were under way together fail together: that counts once.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._failures and now < self._until:
                return self._until - now, False
            pause_s = equal_jitter(
                self._failures,
                self._options.outage_delay_s,
                self._options.outage_delay_max_s,
                self._random,
            )
            self._failures += 1
            self._until = now + pause_s
            return pause_s, self._failures == 1

    def passed(self) -> bool:
        """Note that the target took something; return whether it is news."""
        with self._lock:
            failures, self._failures = self._failures, 0
        return failures > 0
