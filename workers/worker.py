"""The worker as a program, with its signals."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

from celery.apps.worker import Worker as StockWorker
from celery.platforms import EX_FAILURE, EX_OK
from celery.worker import state

if TYPE_CHECKING:
    from collections.abc import Callable


class Worker(StockWorker):  # type: ignore[misc, unused-ignore]
    """Celery's worker, silent on stdout but for the log.

    ``SIGTERM`` ends it warm: what has begun is finished, the rest goes back, exit status 0.
    ``SIGINT``, or a second ``SIGTERM``, ends it cold: everything goes back, exit status 1.
    """

    #: Why it refused to start; empty if it did not.
    refusal: str = ""

    @property
    def status(self) -> int:
        """The exit status; Celery forgets it at a cold end."""
        return int(state.should_terminate or self.exitcode or EX_OK)

    def install_platform_tweaks(self, worker: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Install the signal handlers."""
        signal.signal(signal.SIGTERM, self._handler(_end_warm))
        signal.signal(signal.SIGINT, self._handler(_end_cold))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def on_consumer_ready(self, consumer: Any) -> None:
        """Tell that messages are taken from now on."""
        super().on_consumer_ready(consumer)
        self.station.say("worker-ready", lanes=self.station.counters["lanes"])

    def _handler(self, end: Callable[[], None]) -> Callable[..., None]:
        """Return a handler of signals that calls *end*, and has the event loop look at once."""

        def handle(*_: Any) -> None:
            end()
            # A signal does not wake the loop, nor does its own thread, in which we are.
            threading.Thread(target=self._wake, name="wake", daemon=True).start()

        return handle

    def _wake(self) -> None:
        if consumer := getattr(self, "consumer", None):
            consumer.call_soon(lambda: None)


def _end_warm() -> None:
    if state.should_stop is None:
        state.should_stop = EX_OK
    else:
        _end_cold()


def _end_cold() -> None:
    state.should_terminate = EX_FAILURE
