"""Ends the process when it has stalled: its supervisor starts it again, its messages go back.

It has stalled when its event loop no longer turns, or when messages wait in its lanes, it has room
for them, and takes none. Nothing counts while the broker cannot be asked, or while one connection
after the other is tried: whoever waits for the broker, or for a slow start, does what it should.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from celery.bootsteps import CLOSE, TERMINATE
from celery.worker import state

from syncpipe.app import STALLED
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import SyncpipeError
from syncpipe.supervisor import Silence
from syncpipe.transport.rabbitmq import topology
from workers.periodic import Periodic

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

#: How many looks make a timeout.
_LOOKS = 5
#: Seconds that a process has at least for its start, until its event loop turns.
_START_S = 60.0
#: Seconds after which the end no longer waits for the log.
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class View:
    """What the event loop sees of the process."""

    #: How many messages it has taken since it began.
    taken: int
    #: Queues that it consumes and from which it may take more.
    open: frozenset[str]


class Process(Protocol):
    """What is watched."""

    def call_soon(self, action: Callable[[], None]) -> None:
        """Have the event loop call *action*."""

    def view(self) -> View:
        """Return what there is to see; on the event loop."""

    def waiting(self, queues: Collection[str]) -> int:
        """Return how many messages wait in *queues*.

        Raises:
            SyncpipeError: the broker cannot be asked, or takes nothing.

        """

    @property
    def connections(self) -> int:
        """How many connections to the broker it has begun to make."""

    @property
    def ending(self) -> bool:
        """Whether it has been told to end."""


class Patience:
    """Decides whether a process has stalled. Pure."""

    def __init__(self, timeout_s: float) -> None:
        """Allow silences of *timeout_s* seconds."""
        self._timeout_s = timeout_s
        self._loop_limit_s = max(timeout_s, _START_S)
        self._loop = Silence(2 * timeout_s / _LOOKS)
        self._lanes = Silence(2 * timeout_s / _LOOKS)

    def look(self, now: float, *, turned: bool, tried: bool, waiting: int | None) -> str | None:
        """Return why it has stalled, None if it has not; *now* is monotonic.

        *turned* and *tried* tell what it did since the last look: whether its event loop turned,
        and whether it tried to connect anew. *waiting* is how many messages wait that it could have
        taken, None if it is excused.
        """
        if turned:
            self._loop_limit_s = self._timeout_s
        loop_s = self._loop.look(now, sign=turned or tried or waiting is None)
        lanes_s = self._lanes.look(now, sign=not waiting)
        if loop_s >= self._loop_limit_s:
            return f"the event loop has not turned for {loop_s:.0f} s"
        if lanes_s >= self._timeout_s:
            return f"messages wait ({waiting}), and none was taken for {lanes_s:.0f} s"
        return None


class Watch:
    """Looks at a process again and again, from a thread beside its event loop."""

    def __init__(
        self,
        process: Process,
        *,
        timeout_s: float,
        monotonic: Callable[[], float],
        end: Callable[[str], None],
    ) -> None:
        """Watch *process*; *end* gets the reason when it has stalled for *timeout_s* seconds."""
        self._process = process
        self._monotonic = monotonic
        self._end = end
        self._patience = Patience(timeout_s)
        self._view: View | None = None
        self._taken = -1
        self._connections = 0

    def look(self) -> None:
        """Look once."""
        view, self._view = self._view, None
        before, self._connections = self._connections, self._process.connections
        tried = self._connections != before
        waiting = self._waiting(view)
        now = self._monotonic()
        turned = view is not None
        if reason := self._patience.look(now, turned=turned, tried=tried, waiting=waiting):
            self._end(reason)
        if waiting is not None:
            self._process.call_soon(self._show)

    def _show(self) -> None:
        self._view = self._process.view()

    def _waiting(self, view: View | None) -> int | None:
        """Return how many messages wait that could have been taken; None is an excuse.

        The broker is asked only when there is something to explain.
        """
        if self._process.ending:
            return None
        if view is not None and view.taken != self._taken:
            self._taken = view.taken
            return 0
        try:
            return self._process.waiting(view.open if view else ())
        except SyncpipeError:
            return None


class Workplace:
    """A Celery worker, as it is watched."""

    def __init__(self, worker: Any) -> None:
        """Show Celery's *worker*, which has a station."""
        self._worker = worker
        self._station = worker.station

    def call_soon(self, action: Callable[[], None]) -> None:
        """Have the event loop call *action*."""
        self._worker.consumer.call_soon(action)

    def view(self) -> View:
        """Return what there is to see; on the event loop."""
        batcher, options = self._worker.consumer.batcher, self._station.options
        if batcher is None or batcher.in_hand.total() >= options.prefetch:
            return View(batcher.taken if batcher else 0, frozenset())
        # Dead letters may wait for the store as long as it takes.
        queues = {*map(topology.logical, self._station.subscriptions.wanted)} - {DEAD_QUEUE}
        limit = options.queue_prefetch
        return View(
            batcher.taken, frozenset(name for name in queues if batcher.in_hand[name] < limit)
        )

    def waiting(self, queues: Collection[str]) -> int:
        """Return how many messages wait in *queues*. Raises SyncpipeError."""
        # A broker that answers but takes nothing, because it is full, lets nobody claim either.
        self._station.announce()
        ready = self._station.broker.ready(list(queues) or [DEAD_QUEUE])
        return ready if queues else 0

    @property
    def connections(self) -> int:
        """How many connections to the broker it has begun to make."""
        return int(self._worker.consumer.restart_count)

    @property
    def ending(self) -> bool:
        """Whether it has been told to end."""
        # Celery keeps an exit status here, and 0 is one.
        told = (state.should_stop, state.should_terminate)
        drains = self._worker.consumer.blueprint.state in {CLOSE, TERMINATE}
        return drains or any(each is not None and each is not False for each in told)


def watching(worker: Any) -> Periodic:
    """Return what watches Celery's *worker*, to be started with it."""
    station = worker.station
    timeout_s = station.options.stall_timeout_s
    watch = Watch(
        Workplace(worker),
        timeout_s=timeout_s,
        monotonic=station.clock.monotonic,
        end=lambda reason: _end(station, reason),
    )
    return Periodic("watch", watch.look, every_s=timeout_s / _LOOKS)


def _end(station: Any, reason: str) -> None:
    """End the process at once: not even the log may hold it up, which may be what has stalled."""
    words = threading.Thread(
        target=station.complain, args=("stalled",), kwargs={"reason": reason}, daemon=True
    )
    with suppress(RuntimeError):
        words.start()
        words.join(_LAST_WORDS_S)
    os._exit(STALLED)
