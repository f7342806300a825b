"""Operations on their whole way, through a real pipeline, schedule and promoting, whatever fails.

Every operation has its effect exactly once, delayed ones when they are due and not before, and the
target may refuse each a few times before it takes it.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict

import structlog
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.collection import Collection
from syncpipe.core.outcome import Outcome
from syncpipe.core.reference import fold
from syncpipe.core.routing import DEAD_QUEUE, queues_of
from syncpipe.errors import (
    RefusedForNow,
    StoreUnavailable,
    SyncpipeError,
    TargetBusy,
    TargetUnavailable,
)
from syncpipe.ops.promoting import Promoting
from syncpipe.pipeline import BatchLog, Done, Message, Pipeline, WorkerOptions
from syncpipe.producer.client import Client
from syncpipe.producer.options import ClientOptions
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.kit import _ClientClock
from syncpipe.testing.schedule import MemorySchedule
from syncpipe.testing.target import MemoryTarget

QUEUES = queues_of("crm", 2)
COLLECTIONS = {"orders": Collection("orders", ("crm",))}


class Reluctant(MemoryTarget):
    """Refuses each operation a few times, and notes when it took it."""

    def __init__(self, clock):
        super().__init__("crm", clock=clock)
        self.refusals = defaultdict(int)
        self.taken = []

    def apply(self, groups, *, now_ms):
        operations = [each for group in groups for each in group.operations]
        for each in operations:
            if self.refusals[each.id] > 0:
                if len(operations) == 1:
                    self.refusals[each.id] -= 1
                raise RefusedForNow("Not yet.")
        results = super().apply(groups, now_ms=now_ms)
        self.taken += [r.operation for r in results if r.outcome is not Outcome.DUPLICATE]
        for each in operations:
            assert each.not_before_ms <= self.now_ms()
        return results


class World:
    """Everything that takes part, and what may happen to it."""

    def __init__(self):
        self.clock = FakeClock()
        self.broker = MemoryBroker(self.clock)
        self.schedule = MemorySchedule(self.clock)
        self.target = Reluctant(self.clock)
        self.sent = []
        self.client = Client(
            collections=COLLECTIONS,
            shards=2,
            broker=self.broker,
            clock=_ClientClock(self.clock),
            random=SeededRandom(),
            options=ClientOptions(),
        )
        logger = structlog.wrap_logger(None, [self._silence])
        self.pipeline = Pipeline(
            target=self.target,
            collections=COLLECTIONS,
            broker=self.broker,
            clock=self.clock,
            random=SeededRandom(),
            options=WorkerOptions(busy_timeout_s=0),
            log=BatchLog(logger, "crm", "w"),
            schedule=self.schedule,
        )
        self.promoters = [
            Promoting(
                self.schedule,
                self.broker,
                targets=["crm"],
                shards=2,
                clock=self.clock,
                random=SeededRandom(number),
            )
            for number in range(2)
        ]

    def _silence(self, *_):
        raise structlog.DropEvent

    def send(self, key, amount, delay, refusals):
        self.broker._failures.clear()  # the client has tests of its own, and a pace
        receipt = self.client.increment("orders", key, {"n": amount}, delay=delay)
        self.client.flush()
        self.sent.append((receipt.id, key, amount))
        self.target.refusals[bytes.fromhex(receipt.id.replace("-", ""))] = refusals

    def work(self, *, crash=False, copies=False):
        """Take all, apply, and acknowledge what is done; what is not comes again."""
        taken = self.broker.take(QUEUES, limit=50)
        if copies:
            taken += taken[: len(taken) // 2]
        report = self.pipeline.run(
            [Message(d.message.queue, d.message.message_id, d.message.body) for d in taken]
        )
        done = [
            each
            for each, verdict in zip(taken, report.verdicts, strict=True)
            if verdict == Done() and not crash
        ]
        self.broker.acknowledge(done)
        self.broker.restore(taken)

    def promote(self, number=0):
        with contextlib.suppress(SyncpipeError):
            self.promoters[number].promote()

    def settled(self):
        return not any(self.broker.queues()) and not self.schedule.outlook()


_SENT = st.tuples(
    st.sampled_from("ab"),
    st.integers(1, 9),
    st.sampled_from([None, 5, 30, 400]),
    st.integers(0, 3),
)
_HAPPENINGS = st.one_of(
    st.tuples(st.just("send"), _SENT),
    st.tuples(st.just("work"), st.sampled_from(["", "crash", "copies"])),
    st.tuples(st.just("promote"), st.sampled_from([0, 1])),
    st.tuples(st.just("time"), st.sampled_from([0.5, 3, 21, 60])),
    st.tuples(st.just("store"), st.booleans()),
    st.tuples(st.just("broker"), st.booleans()),
    st.tuples(st.just("target"), st.sampled_from([TargetUnavailable("x"), TargetBusy("x")])),
)


def happen(world, what, how):
    match what:
        case "send":
            world.send(*how)
        case "work":
            world.work(**{how: True} if how else {})
        case "promote":
            world.promote(how)
        case "time":
            world.clock.advance(how)
        case "store":
            world.schedule.fail(StoreUnavailable("away") if how else None)
        case "broker":
            world.broker.fail(times=3, stored=how)
        case "target":
            world.target.fail(how)


@given(st.lists(_HAPPENINGS, max_size=40))
def test_whatever_happens_each_operation_has_its_effect_once_and_in_time(happenings):
    world = World()
    for what, how in happenings:
        happen(world, what, how)
    world.schedule.fail(None)
    for _ in range(60):
        world.work()
        world.promote()
        world.clock.advance(30)
        if world.settled():
            break
    assert world.settled()
    assert world.broker.peek(DEAD_QUEUE, limit=1) == []
    assert len(world.target.taken) == len(world.sent)
    for key in "ab":
        amounts = [amount for _, name, amount in world.sent if name == key]
        assert world.target.record("orders", key) == ({"n": sum(amounts)} if amounts else None)
    newest = defaultdict(list)
    for operation in world.target.taken:
        newest[operation.key].append(operation)
    for key, operations in newest.items():
        assert world.target.record("orders", key) == fold(operations)
    world.client.close()
