"""A pipeline with a store in memory, and operations that belong to groups."""

from __future__ import annotations

import uuid
from contextlib import contextmanager

import structlog
from msgspec.structs import replace

from syncpipe.core.collection import Collection
from syncpipe.core.deadletter import decode_dead
from syncpipe.core.envelope import unseal
from syncpipe.core.routing import DEAD_QUEUE, queues_of
from syncpipe.errors import (
    Refused,
)
from syncpipe.ops.compensating import sweep
from syncpipe.ops.promoting import Promoting
from syncpipe.pipeline import BatchLog, Message, Pipeline, WorkerOptions
from syncpipe.producer.compensation import Compensator
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.store import MemoryStore
from syncpipe.testing.target import MemoryTarget
from tests.unit.pipeline.envelopes import message
from tests.unit.pipeline.envelopes import operation as plain

G1, G2 = (uuid.UUID(int=number).bytes for number in (1, 2))
COLLECTIONS = {
    "orders": Collection("orders", ("crm",), compensation="delete"),
    "counts": Collection("counts", ("crm",), compensation="negate"),
}


def operation(key="k", group=G1, **more):
    return replace(plain(key, **more), group_id=group)


class Bench:
    """A pipeline with a store, all in memory, and what works beside it."""

    def __init__(self, *, stored=True):
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.broker = MemoryBroker(self.clock)
        self.target = MemoryTarget("crm", clock=self.clock)
        self.pipeline = Pipeline(
            target=self.target,
            collections=COLLECTIONS,
            broker=self.broker,
            clock=self.clock,
            random=SeededRandom(),
            options=WorkerOptions(),
            log=BatchLog(structlog.wrap_logger(None, [self._drop]), "crm", "w1"),
            schedule=self.store.schedule if stored else None,
            groups=self.store.groups if stored else None,
        )
        self.compensator = Compensator(COLLECTIONS, clock=self.clock, random=SeededRandom())
        self.promoting = Promoting(
            self.store.schedule,
            self.broker,
            targets=["crm"],
            shards=1,
            clock=self.clock,
            random=SeededRandom(),
        )

    def _drop(self, *_):
        raise structlog.DropEvent

    def run(self, *operations):
        return self.pipeline.run([message(*operations)])

    def kill(self, number, group=G1):
        """Record the dead letter of some other member of the group."""
        other = Bench()
        other.target.fail(Refused("no"), times=None)
        other.run(operation(f"dead{number}", group))
        self.store.dead_letters.record(other.dead())

    def bury(self):
        self.store.dead_letters.record(self.dead())

    def dead(self):
        return [decode_dead(each) for each in self.broker.peek(DEAD_QUEUE, limit=10_000)]

    def codes(self):
        return [letter.code for letter in self.dead()]

    def sweep(self):
        return sweep(self.store.groups, self.compensator)

    def deliver(self):
        """Promote what is due, and run what waits in the lanes."""
        self.promoting.promote()
        taken = self.broker.take(queues_of("crm", 1), limit=1000)
        for each in taken:
            self.pipeline.run([Message(each.message.queue, "m", each.message.body)])
        self.broker.acknowledge(taken)
        return [unseal(each.message.body) for each in taken]

    def counts(self, group=G1):
        return self.store.groups.counts(group)


@contextmanager
def unrecorded(bench, error):
    """Let nothing be recorded as applied for a while, unless *error* is None."""
    groups = bench.store.groups
    if error is None:
        yield
        return
    groups.applied = lambda _members: fail_with(error)
    try:
        yield
    finally:
        del groups.applied


def fail_with(error):
    raise error
