"""Workers that stop at every boundary between statements, so that schedules can be chosen."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.core.outcome import Result
    from tests.integration.targets.places import Place

#: Seconds after which a schedule that makes no progress has failed.
_PATIENCE_S = 60.0
#: The server waits longer than that: whoever stands at a gate is in nobody's way for too long.
_NO_HURRY = dict.fromkeys(
    ("lock_timeout_s", "idle_in_transaction_timeout_s", "statement_timeout_s"), 2 * _PATIENCE_S
)


class GatedWorker:
    """A worker in a thread of its own that stands still at a chosen boundary.

    Boundary 0 is before the first statement, boundary n after the nth; the last one is after the
    last statement and before its commit.
    """

    def __init__(self, place: Place) -> None:
        self._target = place.another(pool_max=1, **_NO_HURRY)
        self._place = place
        self._pid = 0
        self._stop_at = -1
        self._passed = 0
        self._at_gate = threading.Event()
        self._go = threading.Event()
        self._thread: threading.Thread | None = None
        self._results: list[Result] = []
        self._error: BaseException | None = None
        worker = self

        class GatedCursor(psycopg.Cursor):
            def execute(self, *args, **kwargs):
                if worker._passed == 0:
                    worker._boundary()
                super().execute(*args, **kwargs)
                worker._boundary()
                return self

        self._target._connections._pool.kwargs["cursor_factory"] = GatedCursor
        with self._target._connections.connection() as connection:
            self._pid = connection.info.backend_pid

    def start(self, act: Callable, stop_at: int) -> None:
        """Run ``act(target)`` in the thread until boundary *stop_at*."""
        self._stop_at, self._passed = stop_at, 0
        self._at_gate.clear()
        self._go.clear()
        self._error = None
        self._thread = threading.Thread(target=self._run, args=(act,))
        self._thread.start()

    def settle(self, monitor: psycopg.Connection) -> bool:
        """Wait until the worker stands at its gate, or waits for a lock, or is done.

        Returns:
            Whether it stands at its gate.

        """
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if self._at_gate.wait(0.0005):
                return True
            if not self._thread.is_alive() or self._is_blocked(monitor):
                return self._at_gate.is_set()
        raise AssertionError("the worker neither stopped, nor waited for a lock, nor ended")

    def settle_end(self, monitor: psycopg.Connection) -> None:
        """Wait until the worker, let go, is done or waits for a lock."""
        deadline = time.monotonic() + _PATIENCE_S
        while self._thread.is_alive() and not self._is_blocked(monitor):
            self._thread.join(0.0005)
            assert time.monotonic() < deadline

    def finish(self) -> list[Result]:
        """Let the worker go to its end and return what `act` returned."""
        self._go.set()
        self._thread.join(_PATIENCE_S)
        assert not self._thread.is_alive()
        if self._error is not None:
            raise self._error
        return self._results

    def release(self) -> None:
        """Open the gate without waiting for the end."""
        self._go.set()

    def close(self) -> None:
        """Give back the connection."""
        self._target.close()

    def _run(self, act: Callable) -> None:
        try:
            self._results = act(self._target)
        except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
            self._error = error

    def _boundary(self) -> None:
        if self._thread is not threading.current_thread():
            return
        here, self._passed = self._passed, self._passed + 1
        if here == self._stop_at:
            self._at_gate.set()
            assert self._go.wait(_PATIENCE_S)

    def _is_blocked(self, monitor: psycopg.Connection) -> bool:
        query = "SELECT wait_event_type = 'Lock' FROM pg_stat_get_activity(%s)"
        return monitor.execute(query, [self._pid]).fetchone() == (True,)
