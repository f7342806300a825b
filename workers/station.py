"""What one worker process holds, from its start to its end."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import structlog

from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import BrokerFull, ClockSkew, QueueMissing, SendError, TargetError
from syncpipe.ops import traffic
from syncpipe.pipeline import Done
from syncpipe.transport.broker import WorkerInfo
from syncpipe.transport.dialect import dialect_of
from workers.assignment import Assignment
from workers.caution import Caution
from workers.guards import Guards
from workers.limits import Limits
from workers.sizing import Sizing
from workers.subscriptions import Subscriptions
from workers.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncpipe.app import App
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline import Report
    from syncpipe.targets.target import Target
    from workers.flower import Teller

#: How far this machine's clock may be off a target's, milliseconds.
MAX_SKEW_MS = 5_000
#: Seconds after which a worker that says nothing counts as gone.
PRESENCE_TTL_S = 2.0
#: Seconds after which the end no longer waits for a broker that does not answer.
_FAREWELL_S = 1.0


class Station:
    """The pipelines of all targets, the lanes they are fed from, and what was counted."""

    def __init__(self, parts: App, name: str, lanes: Mapping[str, str]) -> None:
        """Prepare the worker process *name*; *lanes* gives the target of each declared queue."""
        self.parts = parts
        self.name = name
        self.lanes = lanes
        self.clock = parts.clock
        self.options = parts.settings.worker
        #: Where dead letters are brought, and what is to be tried later; None without a store.
        self.store = parts.store()
        self.pipelines = {
            target: parts.pipeline(target, name, self.store) for target in parts.settings.targets
        }
        self.broker = parts.broker()
        #: The thread that does so, beside those of the pool: nobody else waits for the store.
        self.recording = ThreadPoolExecutor(1, thread_name_prefix="syncpipe-recording")
        #: Tells Flower of them.
        self.teller: Teller | None = None
        self.dialect = dialect_of(parts.settings.broker.url)
        self.assignment = Assignment(name, lanes)
        self.subscriptions = Subscriptions(self.dialect)
        self.troubles = Troubles()
        #: Knows who may have killed a process.
        self.caution = Caution()
        names = ("envelopes", "batches", "running", "lanes", "unknown_errors")
        self.counters = dict.fromkeys(names, 0)
        self.counters["plan"] = self.assignment.plan
        self.counters |= dict.fromkeys((outcome.value for outcome in Outcome), 0)
        for counter in (traffic.ENVELOPES, traffic.OPERATIONS, traffic.SAVED):
            self.counters |= dict.fromkeys((counter + each for each in self.pipelines), 0)
        self._started_ms = self.clock.now_ms()
        self._presence = threading.Lock()
        self._left = False
        self._farewell = threading.Thread(target=self._withdraw, name="farewell", daemon=True)
        self._checking = threading.Lock()
        self._lacking: frozenset[str] = frozenset()
        self._log = structlog.get_logger("syncpipe.workers").bind(worker=name)
        self.guards = Guards(parts, name, self.assignment, self._log)
        slots = {target: self.guards.slots(target) for target in self.pipelines}
        self.sizing = Sizing(parts, slots, self._log)
        self.limits = Limits(parts, self.broker, fails=self.fails, works=self.works)

    def check_clocks(self) -> None:
        """Compare this machine's clock with every target's that can be reached.

        Raises:
            ClockSkew: one differs by more than `MAX_SKEW_MS`.

        """
        for pipeline in self.pipelines.values():
            skew_ms = self._skew_ms(pipeline.target)
            if abs(skew_ms) > MAX_SKEW_MS:
                direction = "behind" if skew_ms > 0 else "ahead of"
                raise ClockSkew(
                    f"This machine's clock is {abs(skew_ms)} ms {direction} that of target "
                    f"{pipeline.target.name!r}."
                )

    def require_queues(self) -> None:
        """Ask the broker whether there is any queue to work for, where queues need to be made.

        One that is there is enough to begin with: `check_queues` tells of the others.

        Raises:
            QueueMissing: there is none.
            BrokerUnavailable: the broker cannot be asked.

        """
        if set(self.lanes) <= set(self.broker.missing([*self.lanes])):
            raise QueueMissing(
                f"The broker has none of the {len(self.lanes)} queues of the configured lanes, "
                f"such as {next(iter(self.lanes))!r}."
            )

    def check_queues(self) -> bool:
        """Ask the same, and want none that is missing until it is there; return if that is new.

        A declared one is worth a line in the log, when it goes and when it is back. Raises a
        `SendError` when the broker cannot be asked: that changes nothing.
        """
        with self._checking:
            found = self.assignment.found
            before = self._lacking
            # The broker may lack more than we ask for: a place for what it sets aside.
            lacking = self.broker.missing([*self.lanes, DEAD_QUEUE, *found])
            self._lacking = frozenset(lacking)
            gone = [queue for queue in lacking if queue not in before and queue not in found]
            back = sorted(before - self._lacking - set(found))
            if gone:
                error = _missing(gone)
                self.complain("queue-missing", code=error.code, error=str(error))
            if back:
                self.warn("queue-back", queue=back[0], queues=len(back))
            return self.subscriptions.lack(self._lacking)

    def begin(self) -> None:
        """Count a batch that begins."""
        self.counters["running"] += 1

    def count(self, target: str, report: Report) -> None:
        """Add what a batch of *target* did that has ended."""
        self.counters["running"] -= 1
        self.counters["batches"] += 1
        self.counters["envelopes"] += len(report.verdicts)
        self.counters["unknown_errors"] += sum(report.unknown.values())
        for outcome, number in report.counts.items():
            self.counters[outcome.value] += number
        done = sum(isinstance(verdict, Done) for verdict in report.verdicts)
        self.counters[traffic.ENVELOPES + target] += done
        outcomes = sum(report.counts.values()) - report.counts.get(Outcome.RETRYING, 0)
        self.counters[traffic.OPERATIONS + target] += outcomes
        self.counters[traffic.SAVED + target] += report.counts.get(Outcome.MERGED, 0)

    def look(self) -> bool:
        """Look which workers live and want the lanes that are ours then; return if that is new.

        A broker that cannot be asked changes nothing: it raises a `SendError`. Where an alarm keeps
        everybody from telling that they live, and we have heard nobody before, all lanes are ours:
        several owners of a lane do no harm, none would, and what is drained may end the alarm.
        """
        try:
            workers = self.broker.workers()
        except BrokerFull:
            workers = []
        others = [each for each in workers if each.counters.get("plan") == self.assignment.plan]
        peers = [each.name for each in others]
        change = self.assignment.look(peers)
        self.guards.heard(others)
        self.limits.processes = len({self.name, *peers})
        if change is not None:
            self.counters["lanes"] = len(self.assignment.lanes)
            self.say(
                "lanes-assigned",
                **change.named(),
                lanes=self.counters["lanes"],
                processes=self.limits.processes,
            )
        queues = self.assignment.queues
        if self.store is not None and self.assignment.leads:
            queues[DEAD_QUEUE] = DEAD_QUEUE  # a target of its own, to be paused like one
        return self.subscriptions.assign(queues)

    def look_for_pauses(self) -> None:
        """Ask the store what people want of targets; a `StoreError` changes nothing."""
        if self.store is not None:
            self.guards.wanted(self.store.pauses.current())

    def announce(self) -> None:
        """Say that this process lives, once it consumes, so that others leave its lanes to it."""
        info = WorkerInfo(
            name=self.name,
            pid=os.getpid(),
            host=socket.gethostname(),
            started_ms=self._started_ms,
            seen_ms=self.clock.now_ms(),
            counters={**self.counters, **self.guards.counters(), **self.sizing.counters()},
        )
        with self._presence:
            present = self.subscriptions.connected and not self._left
            try:
                if present:
                    self.broker.announce(info, ttl_s=PRESENCE_TTL_S)
            except SendError:
                self.guards.told(present=False, mute=True)
                raise
            self.guards.told(present=present)

    def say(self, event: str, **details: Any) -> None:
        """Write a line into the log."""
        self._log.info(event, **details)

    def warn(self, event: str, **details: Any) -> None:
        """Write a line about something to be looked at into the log."""
        self._log.warning(event, **details)

    def complain(self, event: str, **details: Any) -> None:
        """Write a line about something that is wrong into the log."""
        self._log.error(event, **details)

    def fails(self, job: str, error: SyncpipeError) -> None:
        """Note that *job*, which is done again and again, fails; tell it once."""
        if self.troubles.begin(job, error):
            self.warn("periodic-fails", job=job, code=error.code, error=str(error))

    def works(self, job: str) -> None:
        """Note that *job* works; tell it if it had failed."""
        if self.troubles.end(job):
            self.warn("periodic-works", job=job)

    def tell(self, letters: Sequence[DeadLetter]) -> None:
        """Tell Flower of *letters*, if the broker takes it."""
        if self.teller is None:
            return
        try:
            self.teller.tell(letters)
        except SendError as error:
            self.fails("flower", error)
        else:
            self.works("flower")

    def aside(self, action: Callable[..., None], *arguments: Any) -> None:
        """Call *action* on a thread of its own, which the end does not wait for."""
        threading.Thread(target=action, args=arguments, name="aside", daemon=True).start()

    def stop(self) -> None:
        """Cut pauses short, so that running batches end soon."""
        for pipeline in self.pipelines.values():
            pipeline.stop()

    def withdraw(self) -> bool:
        """Say that this process takes nothing more; return whether the broker answers at all.

        It has a second for that; without it, the process is forgotten by itself. Idempotent.
        """
        if not self._left:
            self._left = True
            self._farewell.start()
            self._farewell.join(_FAREWELL_S)
        return not self._farewell.is_alive()

    def close(self) -> None:
        """Give back all connections."""
        for pipeline in self.pipelines.values():
            pipeline.close()
        self.limits.close()
        self.recording.shutdown(wait=False, cancel_futures=True)
        if self.store is not None:
            self.store.close()
        self.broker.close()

    def _withdraw(self) -> None:
        with self._presence, contextlib.suppress(SendError):
            self.broker.withdraw(self.name)

    def _skew_ms(self, target: Target) -> int:
        """Return how far the target's clock is ahead of ours; 0 while it cannot be asked."""
        before_ms = self.clock.now_ms()
        try:
            target_ms = target.now_ms()
        except TargetError as error:
            self.complain("target-unreachable", target=target.name, code=error.code)
            return 0
        return target_ms - (before_ms + self.clock.now_ms()) // 2


def _missing(queues: Sequence[str]) -> QueueMissing:
    number = f" and {len(queues) - 1} more" if queues[1:] else ""
    return QueueMissing(f"The broker has no queue {queues[0]!r}{number}.")
