"""Makes batches of held messages, has them applied by the pool, and acknowledges.

Everything but `Batcher._work` and `Batcher._ping` runs on the event loop, which alone touches the
broker's channel, and drives the breakers.
"""

from __future__ import annotations

import contextlib
import functools
import math
import queue
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from syncpipe.errors import TargetError, TargetThrottled, TargetUnavailable
from syncpipe.pipeline import Done, Later
from workers.hands import Hands
from workers.held import Held, hold
from workers.shelf import Shelf
from workers.sizing import Start
from workers.solitude import Solitude

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline import Report
    from syncpipe.resilience.call import Call
    from workers.station import Station

#: Seconds that a batch which is not full gives each other of its target to end before it begins
#: beside them: what comes meanwhile joins it, and few large batches take less than many small ones.
_COMPANY_S = 0.025
#: Seconds from the beginning of a batch to that of the next that is not full, for the same reason.
_PACE_S = 0.01
#: It is slower where much comes: by the operations of that batch, as at 20,000 a second, and at
#: most so slow: a batch costs something beside its operations.
_PACE_PER_OPERATION_S, _SLOWEST_PACE_S = 0.00005, 0.05
#: Seconds between two looks at whether a drain was cancelled.
_LOOK_S = 0.1
#: Operations of a small batch: more than one, or one that a target never takes would look like a
#: target that takes nothing.
_SMALL = 8


class Batcher:
    """Batches for one connection to the broker; a new connection gets a new one."""

    def __init__(self, consumer: Any, station: Station, before: Batcher | None = None) -> None:
        """Work for Celery's *consumer* with the pipelines of *station*, and go on from *before*."""
        self._consumer = consumer
        self._station = station
        self._clock = station.clock
        self._options = station.options
        self._sizing = station.sizing
        self._shelves = {
            name: Shelf(self._options, self._sizing[name]) for name in station.pipelines
        }
        self._turns = deque(self._shelves)
        self._solitude = Solitude()
        self._running: Counter[str] = Counter()
        #: How many bytes the batches of each target that are being applied unpack to.
        self._unpacked: Counter[str] = Counter()
        #: How many messages were taken, on the connections before too.
        self.taken: int = 0 if before is None else before.taken
        shared = not station.dialect.prefetch_per_queue
        self._hands = Hands(consumer, self._shelves, self._options, shared=shared)
        #: When a batch of each target began last.
        self._began = dict.fromkeys(self._shelves, -math.inf)
        #: Seconds from then to the next that is not full.
        self._pace_s = dict.fromkeys(self._shelves, _PACE_S)
        self._guards, self._limits = station.guards, station.limits
        self._finished: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        #: When `pump` is to be called, and the timer that does so.
        self._alarm: tuple[float, Any] | None = None
        self._closed = False
        self._after: Batcher | None = None
        if before is not None:
            before.retire()
            before._after = self  # noqa: SLF001 - one of us
        self.pump()

    @property
    def held(self) -> int:
        """How many messages wait here; those in running batches do not count."""
        return sum(map(len, self._shelves.values())) + len(self._solitude)

    @property
    def in_hand(self) -> Counter[str]:
        """How many messages of each queue are unacknowledged."""
        return self._hands.queues

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
            held = held.apart()
        self._shelves[name].put(held)
        self.taken += 1
        self._hands.take(name, held)
        self._consider(name, held.since)

    def pump(self) -> None:
        """Start every batch that may start, and wake up when the next one may."""
        if self._after is not None:
            self._after.pump()
        if self._closed:
            return
        now = self._clock.monotonic()
        self._turns.rotate(-1)
        for name in list(self._turns):
            self._tend(name, now)
            while self._may_start(name, now):
                self._start(name, now)
        dues = [due for name in self._turns if (due := self._next(name, now)) is not None]
        if dues:
            self._wake(min(dues), now)

    def _consider(self, name: str, now: float) -> None:
        """Start what has become due with a message for one target, or see to it that it starts.

        Most messages only wait for company: a whole `pump` for each would cost more than all else.
        One that is not the first of its shelf changes nothing unless it fills a batch, and a look
        that comes soon anyway suffices.
        """
        soon = self._alarm is not None and self._alarm[0] <= now + _PACE_S
        if soon and len(self._shelves[name]) > 1 and not self._shelves[name].full:
            return
        due = self._due(name)
        if name in self._station.subscriptions.paused or (due is not None and due <= now):
            self.pump()
        elif due is not None:
            self._wake(due, now)
        elif (looks := self._hands.wakes(name)) is not None:
            self._wake(looks, now)

    def retire(self) -> None:
        """End, because the connection is gone.

        What waits here comes again through the next connection. Batches that run are counted, and
        acknowledged where the broker can still tell which messages are meant. Idempotent.
        """
        self._closed = True
        for shelf in self._shelves.values():
            shelf.clear()
        self._solitude.clear()
        self._collect()

    def give_back(self) -> int:
        """Start nothing more and return what waits; tell how much. Raises what kombu raises."""
        self._closed = True
        waiting = [held for shelf in self._shelves.values() for held in shelf.clear()]
        waiting += self._solitude.clear()
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
                self._finished.get(timeout=_LOOK_S)()
            except queue.Empty:
                continue
        return self.running

    def _tend(self, name: str, now: float) -> None:
        """Let the target's breaker have its way with time, probes, and what is claimed."""
        breaker, leads = self._guards[name], self._guards.leads(name)
        breaker.tick()
        due = breaker.probe_due(leads=leads)
        if due is not None and due <= now:
            self._probe(name)
        stuck = self._hands.look(name, now)
        claims = breaker.claims and not self._limits.waits_long(name)
        paused = name in self._station.subscriptions.paused
        if not claims or stuck:
            if not paused:
                self._station.subscriptions.pause(name)
        elif paused:
            self._station.subscriptions.resume(name)
            self._consumer.call_soon(self._station.subscriptions.sync)
        if not claims:
            self._return(name)

    def _next(self, name: str, now: float) -> float | None:
        """Return when to look at the target next, None if something else must happen first."""
        times = [self._guards[name].wakes(leads=self._guards.leads(name)), self._limits.wakes(name)]
        if (due := self._due(name)) is None or due > now:
            times.append(due)
        times.append(self._hands.wakes(name))
        return min((each for each in times if each is not None), default=None)

    def _due(self, name: str) -> float | None:
        """Return when the target's next batch may start, None if something must happen first."""
        running = self._running[name]
        if running >= self._sizing[name].batches or self.running >= self._options.threads:
            return None
        if self._unpacked[name] > self._options.batch_max_bytes:
            return None
        due = self._shelves[name].due()
        if due is None or not self._guards[name].free:
            return None
        if self._shelves[name].full:
            return due
        return max(due, self._began[name] + max(self._pace_s[name], _COMPANY_S * running))

    def _may_start(self, name: str, now: float) -> bool:
        due = self._due(name)
        if due is None or due > now:
            return False
        return self._limits.affords(name, self._shelves[name].cost(now), self._hand)

    def _start(self, name: str, now: float) -> None:
        shelf = self._shelves[name]
        breaker, size = self._guards[name], self._sizing[name].operations
        most = min(_SMALL if breaker.small else size, self._limits.left(name, most=size))
        ordinary = not breaker.small and not shelf.repeats(now)
        full = shelf.plenty and most == size
        batch = shelf.take(now, most=most)
        if not self._solitude.enter(name, batch):
            return
        operations, size = sum(held.operations for held in batch), sum(held.size for held in batch)
        start = Start(now, operations, full, ordinary and not batch[0].alone)
        self._limits.spend(name, operations)
        self._running[name] += 1
        self._unpacked[name] += size
        self._began[name] = now
        slower_s = min(operations * _PACE_PER_OPERATION_S, _SLOWEST_PACE_S)
        self._pace_s[name] = max(_PACE_S, slower_s)
        self._station.begin()
        call = breaker.begin()
        self._consumer.pool.apply_async(
            self._work,
            (name, batch, self._sizing.together(name, operations, size)),
            callback=lambda report: self._hand(
                functools.partial(self._settle, name, batch, call, start, report)
            ),
        )

    def _work(self, name: str, batch: Sequence[Held], together: int) -> Report:
        """Apply a batch, so many records *together* at most; on a thread of the pool."""
        with self._station.caution.over(name, [held.message for held in batch]) as (messages, care):
            return self._station.pipelines[name].run(messages, care, together)

    def _probe(self, name: str) -> None:
        """Ask the target whether it is there, with no message in hand."""
        self._station.aside(self._ping, name, self._guards[name].begin_probe())

    def _ping(self, name: str, call: Call) -> None:
        """Ask it, on a thread of its own: those of the pool may all hang."""
        error: Exception | None = None
        try:
            self._station.pipelines[name].target.ping()
        except Exception as fault:  # noqa: BLE001 - whatever it is, it does not answer
            error = fault
        self._hand(functools.partial(self._guards.probed, name, call, error))

    def _hand(self, what: Callable[[], None]) -> None:
        """Have the event loop do *what* has to be done; on any other thread."""
        self._finished.put(what)
        self._consumer.call_soon(self._collect)

    def _collect(self) -> None:
        while not self._finished.empty():
            self._finished.get()()
        self.pump()

    def _settle(
        self, name: str, batch: list[Held], call: Call, start: Start, report: Report
    ) -> None:
        """Do with each message of a finished batch what the report says."""
        running, waiting = self._running[name], bool(self._shelves[name])
        self._running[name] -= 1
        self._unpacked[name] -= sum(held.size for held in batch)
        self._hands.moved(name, self._clock.monotonic())
        self._guards.judge(name, call, report)
        self._sizing.ended(name, start, report, running=running, waiting=waiting)
        self._station.count(name, report)
        done: list[Held] = []
        later: list[tuple[Held, Later]] = []
        for held, verdict in zip(batch, report.verdicts, strict=True):
            match verdict:
                case Done():
                    done.append(held)
                case Later():
                    later.append((held, verdict))
        self._acknowledge(name, done)
        if self._closed:
            return
        rests = isinstance(report.outage, TargetThrottled | TargetUnavailable)
        self._put_back(name, later, self._patience_s(name, report), rests=rests)
        for other, held in self._solitude.leave(batch):
            self._shelves[other].put_back(held, self._clock.monotonic())
        self._hands.balance()

    def _patience_s(self, name: str, report: Report) -> float | None:
        """Return when to try again what the target did not take; None leaves that to the verdict.

        How long a target is left alone is up to its breaker.
        """
        match report.outage:
            case TargetThrottled():
                return 0.0
            case TargetError():
                return self._guards.patience_s(name)
        return None

    def _acknowledge(self, name: str, done: Sequence[Held]) -> None:
        """Acknowledge messages; those of a lost connection only if the broker takes it.

        That it is lost shows here first at times; the event loop tells it. What was not
        acknowledged comes again and changes nothing.
        """
        self._hands.let_go(name, done)
        with contextlib.suppress(*self._consumer.connection_errors):
            for held in done:
                held.delivery.ack()

    def _put_back(
        self,
        name: str,
        later: Sequence[tuple[Held, Later]],
        patience_s: float | None,
        *,
        rests: bool,
    ) -> None:
        """Keep messages for later; *rests* tells whether the target was not there for them.

        What is counted was refused for itself, whatever became of the others.
        """
        now = self._clock.monotonic()
        for held, verdict in later:
            again = held.retried() if verdict.counted else held
            waits = verdict.after_s if verdict.counted or patience_s is None else patience_s
            shelf = self._shelves[name]
            (shelf.rest if rests and not verdict.counted else shelf.put_back)(again, now + waits)

    def _return(self, name: str) -> None:
        """Return what waits for a target that is left alone to the broker."""
        waiting = [*self._shelves[name].clear(), *self._solitude.clear(name)]
        self._hands.let_go(name, waiting)
        for held in waiting:
            held.delivery.reject(requeue=True)

    def _wake(self, at: float, now: float) -> None:
        """Have `pump` called at *at*, unless it will be called before.

        One timer at a time: kombu's loop sleeps for a second even if an eleventh is due at once.
        """
        if self._alarm is not None:
            due, timer = self._alarm
            if due <= at:
                return
            timer.cancel()
        self._alarm = at, self._consumer.timer.call_after(max(0.0, at - now), self._woken)

    def _woken(self) -> None:
        self._alarm = None
        self.pump()
