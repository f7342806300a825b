"""Keeps in the schedule what is to be tried later, and is patient with a store that is away."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncpipe.errors import StoreError, StoreUnavailable
from syncpipe.resilience.backoff import equal_jitter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.pipeline.log import BatchLog
    from syncpipe.store.schedule import Entry, Schedule

#: First and longest pause before a store is asked again that was away, seconds. Asking takes some
#: seconds then, and holds up a batch whose other operations need no store.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0


class Scheduling:
    """Writes entries into a schedule. Thread-safe."""

    def __init__(self, schedule: Schedule, *, clock: Clock, random: Random, log: BatchLog) -> None:
        """Write into *schedule*; *log* is told when it goes and when it is back."""
        self._schedule = schedule
        self._clock = clock
        self._random = random
        self._log = log
        self._asking = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def keep(self, entries: Sequence[Entry]) -> StoreError | None:
        """Schedule *entries*, all or none; return why it could not be done, if so.

        While the store is away, one thread at a time asks it, after growing pauses.
        """
        if not self._failures:
            return self._ask(entries)
        if self._clock.monotonic() < self._until or not self._asking.acquire(blocking=False):
            return StoreUnavailable("The store was away a moment ago.")
        try:
            return self._ask(entries)
        finally:
            self._asking.release()

    def _ask(self, entries: Sequence[Entry]) -> StoreError | None:
        try:
            self._schedule.put(entries)
        except StoreError as error:
            self._failed(error)
            return error
        if self._failures:
            self._failures = 0
            self._log.store_back()
        return None

    def _failed(self, error: StoreError) -> None:
        if not self._failures:
            self._log.store_away(error)
        pause_s = equal_jitter(self._failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S, self._random)
        self._failures += 1
        self._until = self._clock.monotonic() + pause_s
