"""Pauses in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncpipe.resilience.hold import Hold
from syncpipe.store.pauses import Held, Pause

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock
    from syncpipe.errors import StoreError


class MemoryPauses:
    """Pauses in memory, as :class:`syncpipe.store.pauses.Pauses`; `fail` breaks them."""

    def __init__(self, clock: Clock) -> None:
        """Begin without any; *clock* dates them."""
        self._clock = clock
        self._lock = threading.Lock()
        self._pauses: dict[str, Pause] = {}
        self._error: StoreError | None = None

    def hold(self, target: str, hold: Hold, *, by: str, reason: str) -> Held:
        """Want *hold* of *target* from now on."""
        with self._lock:
            self._raise_planned()
            before = self._pauses.get(target, Pause(target, Hold.NONE, by, reason, 0))
            if before.hold is hold:
                return Held(before, changed=False)
            pause = self._pauses[target] = Pause(target, hold, by, reason, self._clock.now_ms())
            return Held(pause, changed=True)

    def current(self) -> dict[str, Pause]:
        """Return what is wanted of each target."""
        with self._lock:
            self._raise_planned()
            return dict(self._pauses)

    def fail(self, error: StoreError | None) -> None:
        """Raise *error* in every call from now on; None ends that."""
        self._error = error

    def _raise_planned(self) -> None:
        if self._error is not None:
            raise self._error
