"""A thread that does the same again and again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import structlog

from syncpipe.errors import SyncpipeError
from syncpipe.pipeline.log import trace_of
from workers.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable


class Periodic:
    """Calls an action every so often, from a thread of its own.

    An action that raises a `SyncpipeError` is called again next time; the log tells once that it
    fails, unless another job that shares its *troubles* has told the same, and once that it works
    again. A fault of ours is told in the same way, and does not end the job either: nobody else
    would do it, and nobody would notice.
    """

    def __init__(
        self,
        name: str,
        action: Callable[[], None],
        *,
        every_s: float,
        first_s: float = 0.0,
        troubles: Troubles | None = None,
    ) -> None:
        """Prepare to call *action* after *first_s* seconds, and every *every_s* from then on."""
        self._name = name
        self._action = action
        self._every_s = every_s
        self._first_s = first_s
        self._troubles = troubles or Troubles()
        self._stopped = threading.Event()
        self._due = threading.Event()
        self._fault: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"syncpipe-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End; wait at most *timeout_s* seconds for an action that is under way. Idempotent."""
        self._stopped.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def hurry(self) -> None:
        """Have the action called at once, or again if it is under way."""
        self._due.set()

    def once(self) -> None:
        """Call the action now."""
        log = structlog.get_logger("syncpipe.workers")
        try:
            self._action()
        except SyncpipeError as error:
            if self._troubles.begin(self._name, error):
                log.warning("periodic-fails", job=self._name, code=error.code, error=str(error))
        else:
            self._fault = None
            if self._troubles.end(self._name):
                log.warning("periodic-works", job=self._name)

    def _run(self) -> None:
        wait_s = self._first_s
        while True:
            self._due.wait(wait_s)
            self._due.clear()
            if self._stopped.is_set():
                return
            try:
                self.once()
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - told, and tried again
                self._tell(fault)
            wait_s = self._every_s

    def _tell(self, fault: BaseException) -> None:
        """Report a fault of ours once, with where it was raised but without the values in it."""
        kind = type(fault).__name__
        if kind != self._fault:
            log = structlog.get_logger("syncpipe.workers")
            log.error("job-failed", job=self._name, error=kind, trace=trace_of(fault))
            self._fault = kind
