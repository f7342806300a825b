"""Which filters on masked fields the audit has been told of just now, in this process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.audit import Act

#: Seconds for which one entry stands for whoever asks the same again.
_STANDS_S = 300.0
#: Most that are remembered; whoever asks for more in that time has more entries.
_MOST = 1_000


class Glances:
    """Remembers who has asked what, so that a page that refreshes is one entry. Thread-safe."""

    def __init__(self) -> None:
        """Know of none yet."""
        self._lock = threading.Lock()
        self._told_at: dict[tuple[str, str], float] = {}

    def once(self, where: str, act: Act, now_s: float, write: Callable[[Act], object]) -> None:
        """Have *act*, that its actor filters by *where*, written down, unless it just has been.

        *now_s* is the monotonic clock's time. What *write* raises, is raised.
        """
        key = act.actor, where
        with self._lock:
            told_at = self._told_at.get(key)
        if told_at is not None and now_s - told_at < _STANDS_S:
            return
        write(act)  # first: without its entry, nothing is looked at
        with self._lock:
            self._told_at.pop(key, None)
            self._told_at[key] = now_s
            while len(self._told_at) > _MOST:
                del self._told_at[next(iter(self._told_at))]
