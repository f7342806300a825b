"""Makes batches of held messages, has them applied by the pool, and acknowledges.

Everything but `Batcher._work` runs on the event loop, which alone touches the broker's channel.
"""

from __future__ import annotations

import logging
import queue
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from syncpipe.pipeline import Done, Later
from workers import lanes
from workers.held import Held, hold
from workers.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline import Report
    from workers.station import Station

logger = logging.getLogger("syncpipe.workers")

#: Messages kept as probes of a target that is left alone.
_PROBES = 4
#: Seconds between two looks at whether a drain was cancelled.
_LOOK_S = 0.1


class Batcher:
    """Batches for one connection to the broker; a new connection gets a new one."""

    def __init__(self, consumer: Any, station: Station) -> None:
        """Work for Celery's *consumer* with the pipelines of *station*."""
        self._consumer = consumer
        self._station = station
        self._clock = station.clock
        self._options = station.options
        self._shelves = {name: Shelf(self._options) for name in station.pipelines}
        self._turns = deque(self._shelves)
        self._running: Counter[str] = Counter()
        self._paused_until: dict[str, float] = {}
        self._finished: queue.SimpleQueue[tuple[str, list[Held], Report]] = queue.SimpleQueue()
        self._wake_at: float | None = None
        self._extra = 0
        self._draining = False

    @property
    def held(self) -> int:
        """How many messages wait here; those in running batches do not count."""
        return sum(map(len, self._shelves.values()))

    @property
    def running(self) -> int:
        """How many batches are being applied."""
        return self._running.total()

    def add(self, delivery: Any, fault: SyncpipeError | None = None) -> None:
        """Take kombu's message *delivery*; *fault* tells why it cannot be an envelope.

        What came through no lane of ours is unreadable to any target's pipeline, so any will do.
        """
        held = hold(delivery, since=self._clock.monotonic(), fault=fault)
        name = held.target if held.target in self._shelves else next(iter(self._shelves))
        self._shelves[name].put(held)
        self._pump()

    def drain(self, seconds: float, *, cancelled: Callable[[], bool]) -> int:
        """Start nothing more and wait for what runs, at most *seconds*; return what still runs.

        For the end of the process, when the loop no longer turns and its thread calls this.
        """
        self._draining = True
        deadline = self._clock.monotonic() + seconds
        while self.running and self._clock.monotonic() < deadline and not cancelled():
            try:
                self._settle(*self._finished.get(timeout=_LOOK_S))
            except queue.Empty:
                continue
        return self.running

    def _pump(self) -> None:
        """Start every batch that may start, and wake up when the next one may."""
        now = self._clock.monotonic()
        self._turns.rotate(-1)
        for name in self._turns:
            while self._may_start(name, now):
                self._start(name, now)
        dues = [due for name in self._turns if (due := self._due(name)) is not None]
        if dues and not self._draining:
            self._wake(min(dues), now)

    def _due(self, name: str) -> float | None:
        """Return when a batch of the target may start, None if something else must happen first."""
        if self._running[name] >= self._slots(name) or self.running >= self._options.threads:
            return None
        due = self._shelves[name].due()
        return None if due is None else max(due, self._paused_until.get(name, 0.0))

    def _slots(self, name: str) -> int:
        """Return how many batches of the target may run at once: one probe while it is paused."""
        if name in self._paused_until:
            return 1
        alone = len(self._shelves) == 1
        return self._options.threads if alone else max(1, self._options.threads // 2)

    def _may_start(self, name: str, now: float) -> bool:
        due = self._due(name)
        return due is not None and due <= now and not self._draining

    def _start(self, name: str, now: float) -> None:
        shelf = self._shelves[name]
        batch = shelf.take_probe() if name in self._paused_until else shelf.take(now)
        self._running[name] += 1
        self._station.counters["running"] = self.running
        self._consumer.pool.apply_async(
            self._work, (name, batch), callback=lambda report: self._done(name, batch, report)
        )

    def _work(self, name: str, batch: Sequence[Held]) -> Report:
        """Apply a batch; on a thread of the pool."""
        return self._station.pipelines[name].run([held.message for held in batch])

    def _done(self, name: str, batch: list[Held], report: Report) -> None:
        """Hand the report to the event loop; on a thread of the pool."""
        self._finished.put((name, batch, report))
        self._consumer.call_soon(self._collect)

    def _collect(self) -> None:
        while not self._finished.empty():
            self._settle(*self._finished.get())
        self._pump()

    def _settle(self, name: str, batch: list[Held], report: Report) -> None:
        """Do with each message of a finished batch what the report says."""
        self._running[name] -= 1
        self._station.count(report, running=self.running)
        later: list[tuple[Held, Later]] = []
        for held, verdict in zip(batch, report.verdicts, strict=True):
            match verdict:
                case Done():
                    held.delivery.ack_log_error(logger, self._consumer.connection_errors)
                case Later():
                    later.append((held, verdict))
        if self._draining:
            return
        if report.pause_s and later:
            self._pause(name, [held for held, _ in later], report.pause_s)
        else:
            self._put_back(name, later)
            self._resume(name)
        self._balance()

    def _put_back(self, name: str, later: Sequence[tuple[Held, Later]]) -> None:
        now = self._clock.monotonic()
        for held, verdict in later:
            again = held.retried() if verdict.counted else held
            self._shelves[name].put_back(again, now + verdict.after_s)

    def _pause(self, name: str, later: Sequence[Held], pause_s: float) -> None:
        """Leave the target alone: keep a few messages as probes, return the rest, claim no more.

        Probes take turns, so that one with which the target fails does not stop it for good.
        """
        shelf = self._shelves[name]
        if name not in self._paused_until:
            for lane_queue in self._queues(name):
                self._consumer.task_consumer.cancel_by_queue(lane_queue)
        until = self._clock.monotonic() + pause_s
        self._paused_until[name] = until
        waiting = [*shelf.clear(), *later]
        for probe in waiting[:_PROBES]:
            shelf.put_back(probe, until)
        for held in waiting[_PROBES:]:
            held.delivery.reject_log_error(logger, self._consumer.connection_errors, requeue=True)

    def _resume(self, name: str) -> None:
        """Claim the target's lanes again, if they were left alone."""
        if self._paused_until.pop(name, None) is not None:
            lanes.consume(self._consumer, self._queues(name))

    def _queues(self, name: str) -> list[str]:
        return [lane_queue for lane_queue, target in self._station.lanes.items() if target == name]

    def _balance(self) -> None:
        """Let waiting retries not count as prefetched, up to as many again as are prefetched."""
        retries = sum(shelf.retries for shelf in self._shelves.values())
        extra = min(retries, self._options.prefetch)
        if extra > self._extra:
            self._consumer.qos.increment_eventually(extra - self._extra)
        elif extra < self._extra:
            self._consumer.qos.decrement_eventually(self._extra - extra)
        self._extra = extra

    def _wake(self, at: float, now: float) -> None:
        """Have `_pump` called at *at*, unless it will be called before."""
        if self._wake_at is None or at < self._wake_at:
            self._wake_at = at
            self._consumer.timer.call_after(max(0.0, at - now), self._woken)

    def _woken(self) -> None:
        self._wake_at = None
        self._pump()
