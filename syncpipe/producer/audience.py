"""Who is told what became of operations: the listeners of receipts, and watchers."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from syncpipe.producer.receipt import Listener, Receipt

    #: A settled receipt, and who waits to be told.
    News = tuple[Receipt, tuple[Listener, ...]]

_LOG = logging.getLogger("syncpipe.producer.sender")


class Audience:
    """Calls what callers gave us, without the lock. Thread-safe."""

    def __init__(self, lock: threading.RLock) -> None:
        """Know nobody yet; *lock* guards who is known."""
        self._lock = lock
        self._watchers: list[Callable[[], object]] = []

    def watch(self, callback: Callable[[], object]) -> None:
        """Call *callback* once, the next time that there is news."""
        with self._lock:
            self._watchers.append(callback)

    def tell(self, news: Iterable[News]) -> None:
        """Call the listeners of *news*, and the watchers if there is any."""
        told = False
        for receipt, listeners in news:
            told = True
            for listener in listeners:
                _call(listener, receipt, receipt.error)
        if told:
            self.wake()

    def wake(self) -> None:
        """Call the watchers."""
        with self._lock:
            watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            _call(watcher)


def _call(callback: Callable[..., object], *arguments: object) -> None:
    """Call what a caller gave us; what it raises goes to the log and ends nothing of ours."""
    try:
        callback(*arguments)
    except Exception:  # noqa: BLE001 - a caller's fault must not stop other deliveries
        _LOG.exception("A delivery callback raised.", extra={"arguments": arguments})
