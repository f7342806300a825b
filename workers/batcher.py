"""Makes batches of held messages, has them applied by the pool, and acknowledges.

Everything but `Batcher._work` runs on the event loop, which alone touches the broker's channel.
"""

from __future__ import annotations

import contextlib
import queue
from collections import Counter, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncpipe.pipeline import Done, Later
from workers.held import Held, hold
from workers.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline import Report
    from workers.station import Station

#: Messages kept as probes of a target that is left alone.
_PROBES = 4
#: Seconds between two looks at whether a drain was cancelled.
_LOOK_S = 0.1


class Batcher:
    """Batches for one connection to the broker; a new connection gets a new one."""

    def __init__(self, consumer: Any, station: Station, before: Batcher | None = None) -> None:
        """Work for Celery's *consumer* with the pipelines of *station*.

        Targets that the batcher of the connection *before* left alone are left alone still.
        """
        self._consumer = consumer
        self._station = station
        self._clock = station.clock
        self._options = station.options
        self._shelves = {name: Shelf(self._options) for name in station.pipelines}
        self._turns = deque(self._shelves)
        self._running: Counter[str] = Counter()
        #: How many messages were taken, on the connections before too.
        self.taken: int = 0 if before is None else before.taken
        #: How many messages of each queue are unacknowledged.
        self.in_hand: Counter[str] = Counter()
        self._paused_until = {} if before is None else before.retire()
        self._finished: queue.SimpleQueue[tuple[str, list[Held], Report]] = queue.SimpleQueue()
        self._wake_at: float | None = None
        self._most_extra = 0 if station.dialect.prefetch_per_queue else self._options.prefetch
        self._extra = 0
        self._closed = self._retired = False
        self._pump()

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
        queue = self._station.subscriptions.queue_of(delivery)
        held = hold(delivery, queue=queue, since=self._clock.monotonic(), fault=fault)
        name = held.target if held.target in self._shelves else next(iter(self._shelves))
        if self._station.caution.suspects(name, held.message):
            held = replace(held, alone=True)
        self._shelves[name].put(held)
        self.taken += 1
        self.in_hand[held.message.queue] += 1
        self._pump()

    def retire(self) -> dict[str, float]:
        """End, because the connection is gone; return until when each target is left alone.

        What waits here comes again through the next connection. Batches that run are counted, and
        acknowledged where the broker can still tell which messages are meant. Idempotent.
        """
        self._closed = self._retired = True
        for shelf in self._shelves.values():
            shelf.clear()
        self._collect()
        return dict(self._paused_until)

    def give_back(self) -> int:
        """Start nothing more and return what waits; tell how much. Raises what kombu raises."""
        self._closed = True
        waiting = [held for shelf in self._shelves.values() for held in shelf.clear()]
        for held in waiting:
            held.delivery.reject(requeue=True)
        return len(waiting)

    def drain(self, seconds: float, *, cancelled: Callable[[], bool]) -> int:
        """Start nothing more and wait for what runs, at most *seconds*; return what still runs.

        For the end of the process, when the loop no longer turns and its thread calls this.
        """
        self._closed = True
        deadline = self._clock.monotonic() + seconds
        while self.running and self._clock.monotonic() < deadline and not cancelled():
            try:
                self._settle(*self._finished.get(timeout=_LOOK_S))
            except queue.Empty:
                continue
        return self.running

    def _pump(self) -> None:
        """Start every batch that may start, and wake up when the next one may."""
        if self._closed:
            return
        now = self._clock.monotonic()
        self._turns.rotate(-1)
        for name in list(self._turns):
            if self._lacks_probes(name, now):
                self._resume(name)
            while self._may_start(name, now):
                self._start(name, now)
        dues = [due for name in self._turns if (due := self._due(name)) is not None]
        if dues:
            self._wake(min(dues), now)

    def _lacks_probes(self, name: str, now: float) -> bool:
        """Return whether a target could be tried again, but its probes went with a connection."""
        until = self._paused_until.get(name)
        idle = not self._shelves[name] and not self._running[name]
        return until is not None and until <= now and idle

    def _due(self, name: str) -> float | None:
        """Return when the target may be tried next, None if something else must happen first."""
        if self._running[name] >= self._slots(name) or self.running >= self._options.threads:
            return None
        due, until = self._shelves[name].due(), self._paused_until.get(name)
        return until if due is None else max(due, until or 0.0)

    def _slots(self, name: str) -> int:
        """Return how many batches of the target may run at once: one probe while it is paused."""
        if name in self._paused_until:
            return 1
        alone = len(self._shelves) == 1
        return self._options.threads if alone else max(1, self._options.threads // 2)

    def _may_start(self, name: str, now: float) -> bool:
        due = self._due(name)
        return due is not None and due <= now

    def _start(self, name: str, now: float) -> None:
        shelf = self._shelves[name]
        batch = shelf.take_probe() if name in self._paused_until else shelf.take(now)
        self._running[name] += 1
        self._station.begin()
        self._consumer.pool.apply_async(
            self._work, (name, batch), callback=lambda report: self._done(name, batch, report)
        )

    def _work(self, name: str, batch: Sequence[Held]) -> Report:
        """Apply a batch; on a thread of the pool."""
        with self._station.caution.over(name, [held.message for held in batch]) as (messages, care):
            return self._station.pipelines[name].run(messages, care)

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
        self._station.count(report)
        done: list[Held] = []
        later: list[tuple[Held, Later]] = []
        for held, verdict in zip(batch, report.verdicts, strict=True):
            match verdict:
                case Done():
                    done.append(held)
                case Later():
                    later.append((held, verdict))
        self._acknowledge(done)
        if self._closed:
            return
        if report.pause_s and later:
            self._pause(name, [held for held, _ in later], report.pause_s)
        else:
            self._put_back(name, later)
            self._resume(name)
        self._balance()

    def _acknowledge(self, done: Sequence[Held]) -> None:
        """Acknowledge messages; those of a lost connection only if the broker takes it.

        That it is lost shows here first at times; the event loop tells it. What was not
        acknowledged comes again and changes nothing.
        """
        self.in_hand.subtract(held.message.queue for held in done)
        with contextlib.suppress(*self._consumer.connection_errors):
            for held in done:
                held.delivery.ack()

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
        first = name not in self._paused_until
        until = self._paused_until[name] = self._clock.monotonic() + pause_s
        if first:
            self._station.subscriptions.pause(name)
        waiting = [*shelf.clear(), *later]
        for probe in waiting[:_PROBES]:
            shelf.put_back(probe, until)
        for held in waiting[_PROBES:]:
            held.delivery.reject(requeue=True)
            self.in_hand[held.message.queue] -= 1

    def _resume(self, name: str) -> None:
        """Claim the target's lanes again, if they were left alone."""
        if self._paused_until.pop(name, None) is not None:
            self._station.subscriptions.resume(name)
            self._consumer.call_soon(self._station.subscriptions.sync)

    def _balance(self) -> None:
        """Let waiting retries not count as prefetched, up to as many again as are prefetched.

        Not where each queue has a prefetch of its own, which cannot change.
        """
        retries = sum(shelf.retries for shelf in self._shelves.values())
        extra = min(retries, self._most_extra)
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
