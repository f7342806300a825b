"""The pipeline of one target: from messages to verdicts."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.envelope import without_dictionaries
from syncpipe.pipeline import report as reports
from syncpipe.pipeline.admit import STAGE as ADMIT
from syncpipe.pipeline.admit import admit
from syncpipe.pipeline.apply import Policy, apply, ask_time
from syncpipe.pipeline.attempt import Attempt
from syncpipe.pipeline.batch import Batch, Message
from syncpipe.pipeline.collection_pauses import CollectionPauses
from syncpipe.pipeline.deadletters import DeadLetters
from syncpipe.pipeline.decode import decode
from syncpipe.pipeline.fold import fold
from syncpipe.pipeline.frames import let_go
from syncpipe.pipeline.membership import Membership
from syncpipe.pipeline.patience import Patience
from syncpipe.pipeline.refusals import Refusals
from syncpipe.pipeline.replayed import Replayed
from syncpipe.pipeline.report import Report
from syncpipe.pipeline.retries import Retries
from syncpipe.pipeline.scheduling import Scheduling
from syncpipe.pipeline.settle import settle
from syncpipe.pipeline.stopwatch import Stopwatch
from syncpipe.pipeline.target_clock import TargetClock
from syncpipe.pipeline.verdict import Later
from syncpipe.pipeline.verify import Declared, verify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.collection import Collection
    from syncpipe.core.envelope import Find
    from syncpipe.pipeline.care import Care
    from syncpipe.pipeline.log import BatchLog
    from syncpipe.pipeline.options import WorkerOptions
    from syncpipe.store.groups import Groups
    from syncpipe.store.replays import Outcomes
    from syncpipe.store.schedule import Schedule
    from syncpipe.targets.target import Target
    from syncpipe.transport.broker import Broker

#: Stages between the look at the target's clock and the end of the commit.
_AFTER_CLOCK = ("verify", "admit", "fold", "apply")


class Pipeline:
    """Brings messages of one target's lanes to their outcomes. Safe to use from several threads."""

    def __init__(  # noqa: PLR0913 - the list of its parts
        self,
        *,
        target: Target,
        collections: Mapping[str, Collection],
        broker: Broker,
        clock: Clock,
        random: Random,
        options: WorkerOptions,
        log: BatchLog,
        schedule: Schedule | None = None,
        groups: Groups | None = None,
        outcomes: Outcomes | None = None,
        find: Find = without_dictionaries,
    ) -> None:
        """Apply to *target* what *collections* declare for it; dead letters go to *broker*.

        What is to be tried later goes into *schedule*; without one it is kept by whoever runs this.
        Operations that belong to a group need *groups*; without them they are dead. What became of
        replayed operations goes into *outcomes*. *find* returns the dictionaries of envelopes.
        """
        #: Where operations are applied.
        self.target = target
        self._time = TargetClock(target, clock)
        self._declared = Declared(target.name, collections)
        self._dead_letters = DeadLetters(broker, clock, log.worker)
        self._broker = broker
        self._clock = clock
        self._random = random
        self._options = options
        self._log = log
        self._policy = _policy(options, clock, random, log, durable=schedule is not None)
        patience = Patience(clock=clock, random=random, log=log)
        self._scheduling = Scheduling(schedule, patience) if schedule else None
        self._membership = Membership(groups, patience) if groups else None
        self._replayed = Replayed(outcomes, patience) if outcomes else None
        self._find = find
        self._told_of_delays = False
        self._stopped = threading.Event()

    def run(
        self,
        messages: Sequence[Message],
        care: Care | None = None,
        together: int | None = None,
    ) -> Report:
        """Bring *messages* as far as possible and say what to do with each. Never raises.

        *care* is for a message that may have killed a process. A call of the target gets so many
        records *together* at most.
        """
        watch = Stopwatch(self._clock)
        try:
            batch = Batch(tuple(messages), together=together)
            batch = self._travel(batch, watch, care)
            report = self._report(batch, watch)
            let_go(batch.errors())
        except BaseException as fault:  # noqa: BLE001 - the verdict is "later" and the log says why
            report = self._failed(messages, fault, watch)
        self._log.batch(messages, report)
        return report

    def stop(self) -> None:
        """Cut pauses short, so that running batches end soon. Idempotent."""
        self._stopped.set()

    def close(self) -> None:
        """Stop, and give back the connections of target and broker. Idempotent."""
        self.stop()
        self.target.close()
        self._broker.close()

    def _travel(self, batch: Batch, watch: Stopwatch, care: Care | None) -> Batch:
        batch = watch("decode", decode, batch, self._find, self._declared)
        batch = watch("clock", ask_time, batch, self._time)
        if not batch.outage:
            batch = watch("verify", verify, batch, self._declared)
            batch = watch(
                "admit", admit, batch, self.target, self._declared.collections, self._membership
            )
        if not batch.outage:
            batch = watch("fold", fold, batch, self._declared.collections)
            batch = watch("apply", self._apply, batch, care)
            batch = replace(batch, applied_ms=round(watch.spent_ms["apply"]))
            if self._membership:
                batch = self._membership.record(batch)
        self._tell_of_delays(batch)
        return watch("settle", settle, batch, self._dead_letters, self._scheduling, self._replayed)

    def _apply(self, batch: Batch, care: Care | None) -> Batch:
        if not batch.groups:
            return batch
        attempt = Attempt(
            target=self.target,
            now_ms=batch.now_ms,
            until=self._clock.monotonic() + self._options.busy_timeout_s,
            clock=self._clock,
            random=self._random,
            stopped=self._stopped,
            together=batch.together,
        )
        return apply(batch, attempt, self._policy, care)

    def _tell_of_delays(self, batch: Batch) -> None:
        """Say once that operations are delayed though there is no store to keep them."""
        if self._scheduling is None and not self._told_of_delays:
            delayed = any(each.wait_ms and each.stage == ADMIT for each in batch.settled)
            if delayed:
                self._told_of_delays = True
                self._log.without_store()

    def _report(self, batch: Batch, watch: Stopwatch) -> Report:
        committed_ms = None
        if batch.now_ms:
            after_clock = sum(watch.spent_ms.get(name, 0.0) for name in _AFTER_CLOCK)
            committed_ms = batch.now_ms + round(after_clock)
        unknown = reports.unknown(batch)
        for code, operations in unknown.items():
            self._log.unknown(code, operations)
        return Report(
            verdicts=reports.verdicts(batch),
            counts=reports.counts(batch),
            spent_ms=watch.spent_ms,
            committed_ms=committed_ms,
            latency_ms=reports.latencies(batch, committed_ms) if committed_ms else {},
            outage=batch.outage,
            asked=bool(batch.groups),
            took=reports.took(batch),
            unknown=unknown,
            effort=batch.effort,
        )

    def _failed(
        self, messages: Sequence[Message], fault: BaseException, watch: Stopwatch
    ) -> Report:
        self._log.failed(fault)
        let_go([fault])
        return Report(
            verdicts=(Later(reports.AGAIN_S, counted=False),) * len(messages),
            counts={},
            spent_ms=watch.spent_ms,
            committed_ms=None,
            latency_ms={},
            outage=fault,
        )


def _policy(
    options: WorkerOptions, clock: Clock, random: Random, log: BatchLog, *, durable: bool
) -> Policy:
    """Return what is done about what the target refuses; *durable* tells of a schedule."""
    longest_s = options.refused_delay_max_s if durable else 0.0
    return Policy(
        retries=Retries(options, random, durable=durable),
        pauses=CollectionPauses(clock, random, log, longest_s=longest_s),
        refusals=Refusals(clock),
        isolation_s=options.isolation_timeout_s,
        durable=durable,
    )
