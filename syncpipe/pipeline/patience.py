"""Patience with a store that is away: what it is asked does not hold up every batch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from syncpipe.errors import StoreError, StoreUnavailable
from syncpipe.resilience.backoff import equal_jitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.chance import Clock, Random
    from syncpipe.pipeline.log import BatchLog

T = TypeVar("T")

#: First and longest pause before a store is asked again that was away, seconds. Asking takes some
#: seconds then, and holds up a batch whose other operations need no store.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0


class Patience:
    """Asks the store. Thread-safe."""

    def __init__(self, *, clock: Clock, random: Random, log: BatchLog) -> None:
        """Tell *log* when the store goes and when it is back."""
        self._clock = clock
        self._random = random
        self._log = log
        self._asking = threading.Lock()
        self._failures = 0
        self._until = 0.0

    def ask(self, action: Callable[[], T]) -> T:
        """Return what *action*, which asks the store, returns.

        While the store is away, one thread at a time asks it, after growing pauses.

        Raises:
            StoreError: what *action* raises, or the store was away a moment ago.

        """
        if not self._failures:
            return self._ask(action)
        if self._clock.monotonic() < self._until or not self._asking.acquire(blocking=False):
            raise StoreUnavailable("The store was away a moment ago.")
        try:
            return self._ask(action)
        finally:
            self._asking.release()

    def _ask(self, action: Callable[[], T]) -> T:
        try:
            result = action()
        except StoreError as error:
            self._failed(error)
            raise
        if self._failures:
            self._failures = 0
            self._log.store_back()
        return result

    def _failed(self, error: StoreError) -> None:
        if not self._failures:
            self._log.store_away(error)
        pause_s = equal_jitter(self._failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S, self._random)
        self._failures += 1
        self._until = self._clock.monotonic() + pause_s
