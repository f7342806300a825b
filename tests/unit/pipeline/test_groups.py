"""Operations that belong to a group, on their way through the stages."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import replace

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.codec import encode
from syncpipe.core.collection import Collection
from syncpipe.core.deadletter import decode_dead
from syncpipe.core.envelope import unseal
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import DEAD_QUEUE, Priority, queues_of
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    StoreUnavailable,
    TargetUnavailable,
)
from syncpipe.ops.compensating import sweep
from syncpipe.ops.promoting import Promoting
from syncpipe.pipeline import BatchLog, Done, Later, Message, Pipeline, WorkerOptions
from syncpipe.pipeline.fold import grouped
from syncpipe.producer.compensation import Compensator
from syncpipe.store.groups import Counts, Member
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


@pytest.fixture
def bench():
    return Bench()


def test_operations_without_a_group_cost_the_store_nothing(bench):
    bench.store.groups.fail(StoreUnavailable("away"))
    bench.target.fail(Refused("no"), key="b")
    report = bench.run(plain("a"), plain("b"))
    assert report.verdicts == (Done(),)


def test_applied_members_are_recorded_before_their_message_is_done(bench):
    report = bench.run(operation("a"), operation("b", version=1), operation("b", version=2))
    assert report.verdicts == (Done(),)
    assert bench.counts() == Counts(3, 3, 0)


def test_a_copy_in_the_batch_is_the_same_member(bench):
    each = operation("a")
    report = bench.pipeline.run([message(each), message(each)])
    assert report.verdicts == (Done(), Done())
    assert bench.counts() == Counts(1, 1, 0)


def test_without_a_store_members_are_dead_and_nothing_is_lost(bench):
    alone = Bench(stored=False)
    each = operation("a")
    report = alone.run(each, plain("b"))
    assert report.verdicts == (Done(),)
    assert [(letter.code, letter.raw) for letter in alone.dead()] == [("SP-E703", encode(each))]
    assert alone.target.keys("orders") == ["b"]
    bench.store.dead_letters.record(alone.dead())
    assert bench.store.groups.death(G1) is None  # replayed with a store, it is applied
    bench.run(each)
    assert bench.target.keys("orders") == ["a"]


def test_while_the_store_is_away_members_wait_uncounted_and_others_go_on(bench):
    bench.store.groups.fail(StoreUnavailable("away"))
    report = bench.pipeline.run([message(operation("a"), plain("b")), message(plain("c"))])
    waits, done = report.verdicts
    assert isinstance(waits, Later)
    assert not waits.counted
    assert done == Done()
    assert bench.target.keys("orders") == ["b", "c"]
    assert report.outage is None


def test_what_cannot_be_recorded_is_recorded_when_it_comes_again(bench):
    each = operation("a")
    with unrecorded(bench, StoreUnavailable("away")):
        report = bench.run(each, plain("b"))
    assert isinstance(report.verdicts[0], Later)
    assert not report.verdicts[0].counted
    assert bench.target.keys("orders") == ["a", "b"]
    assert bench.counts() == Counts(1, 0, 0)
    bench.clock.advance(60)
    report = bench.run(each, plain("b"))
    assert report.verdicts == (Done(),)
    assert bench.counts() == Counts(1, 1, 0)


def _raise(error):
    raise error


def test_a_member_that_comes_after_the_end_is_cancelled(bench):
    bench.kill(1)
    report = bench.run(operation("late"), operation("other", G2), plain("mine"))
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.DEAD: 1, Outcome.APPLIED: 2}
    (letter,) = bench.dead()
    assert (letter.key, letter.code, letter.stage) == ("late", "SP-E517", "admit")
    assert "SP-E511" in letter.message
    assert bench.target.keys("orders") == ["mine", "other"]
    assert bench.counts() == Counts()


def test_a_cancelled_member_ends_no_group(bench):
    bench.kill(1)
    before = bench.store.groups.death(G1)
    bench.run(operation("late"))
    bench.bury()
    assert bench.store.groups.death(G1) == before


def test_a_member_that_was_applied_but_not_recorded_is_recorded_and_undone(bench):
    """Whoever applied it died in between, and its group with another member."""
    each = operation("a")
    with unrecorded(bench, MemoryError()):
        report = bench.run(each)
    assert isinstance(report.verdicts[0], Later)
    bench.kill(1)
    assert bench.run(each).counts == {Outcome.DUPLICATE: 1}
    assert bench.sweep().compensated == 1
    bench.deliver()
    assert bench.target.keys("orders") == []
    assert bench.dead() == []


def test_a_target_that_remembers_nothing_is_no_exception(bench):
    each = operation("a")
    bench.target.seen = lambda _groups: set()
    bench.store.groups.enter([_member(each)], {G1})  # and then its worker was killed
    bench.kill(1)
    assert bench.run(each).counts == {Outcome.APPLIED: 1}
    bench.sweep()
    bench.deliver()
    assert bench.target.keys("orders") == []


def test_what_the_target_knows_to_have_applied_goes_on_though_nobody_recorded_anything(bench):
    each = operation("a")
    bench.target.apply(_groups(each), now_ms=0)
    bench.kill(1)
    assert bench.run(each).counts == {Outcome.DUPLICATE: 1}
    assert bench.counts() == Counts(1, 1, 0)


def _groups(each):
    return grouped([each], COLLECTIONS)


def _member(each):
    return Member(
        each.group_id, each.id, "crm", each.collection, each.key, Priority.NORMAL, encode(each)
    )


def test_a_refused_member_that_waits_is_cancelled(bench):
    each = operation("a")
    bench.target.fail(RefusedForNow("not yet"))
    assert bench.run(each).counts == {Outcome.RETRYING: 1}
    assert bench.counts() == Counts()
    bench.kill(1)
    (envelope,) = bench.deliver()  # due at once
    assert envelope.header.attempts
    (letter,) = bench.dead()
    assert (letter.code, len(letter.attempts)) == ("SP-E517", 1)
    assert bench.target.keys("orders") == []


def test_of_a_superseded_member_nothing_is_left_to_undo(bench):
    bench.run(plain("a", version=5))
    assert bench.run(operation("a", version=3)).counts == {Outcome.SUPERSEDED: 1}
    assert bench.counts() == Counts()
    bench.kill(1)
    bench.sweep()
    bench.deliver()
    assert bench.target.keys("orders") == ["a"]


def test_an_applied_member_that_is_superseded_since_and_comes_again_stays_recorded(bench):
    each = operation("a", version=3)
    bench.run(each)
    bench.run(plain("a", version=5))
    assert bench.run(each).counts == {Outcome.SUPERSEDED: 1}
    assert bench.counts() == Counts(1, 1, 0)


def test_a_delayed_member_is_cancelled_before_it_is_due(bench):
    each = operation("a", version=90_000, due=90_000)
    assert bench.run(each).verdicts == (Done(),)
    assert bench.counts() == Counts()
    bench.kill(1)
    bench.deliver()
    assert bench.codes() == ["SP-E517"]
    assert bench.store.schedule.outlook() == {}


def test_a_delayed_member_of_a_living_group_waits(bench):
    each = operation("a", version=90_000, due=90_000)
    bench.run(each)
    bench.deliver()
    assert bench.store.schedule.outlook()["crm"].count == 1
    bench.clock.advance(90)
    bench.deliver()
    assert bench.target.keys("orders") == ["a"]


def test_an_expired_member_ends_no_group(bench):
    bench.clock.advance(1)
    assert bench.run(operation("a", expires=5)).counts == {Outcome.EXPIRED: 1}
    bench.bury()
    assert bench.store.groups.death(G1) is None


def test_a_member_that_was_applied_and_expired_since_is_recorded(bench):
    each = operation("a", expires=5)
    bench.target.apply(_groups(each), now_ms=0)
    bench.clock.advance(1)
    assert bench.run(each).counts == {Outcome.DUPLICATE: 1}
    assert bench.counts() == Counts(1, 1, 0)


def test_while_the_target_cannot_be_asked_nobody_is_cancelled(bench):
    bench.kill(1)
    bench.target.seen = lambda _groups: _raise(TargetUnavailable("down"))
    report = bench.run(operation("a"))
    assert isinstance(report.verdicts[0], Later)
    assert bench.dead() == []


def test_a_dead_member_ends_its_group_and_the_applied_are_undone_once(bench):
    bench.target.fail(Refused("no"), times=None, key="bad")
    bench.run(plain("5", collection="counts", kind=Kind.INCREMENT, data={"a": 10}))
    members = [
        operation("a"),
        operation("5", collection="counts", kind=Kind.INCREMENT, data={"a": 3}, version=1),
        operation("bad"),
    ]
    bench.run(*members)
    assert bench.target.record("counts", "5") == {"a": 13}  # seen by everybody meanwhile
    bench.bury()
    assert bench.sweep().compensated == 2
    for _ in range(3):
        bench.run(*members[:2])  # delivered again
        bench.bury()
        bench.sweep()
        bench.deliver()
        bench.clock.advance(60)
    assert bench.target.record("counts", "5") == {"a": 10}
    assert bench.target.keys("orders") == []
    assert bench.codes() == ["SP-E511"]


STEPS = ["run", "lose", "unrecorded", "die", "sweep", "deliver", "away"]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=30)


@given(steps)
def test_whatever_comes_in_between_dead_groups_leave_nothing_and_others_everything(taken):
    """Six increments of two groups; the model adds up those of the living groups."""
    bench = Bench()
    members = [
        operation(
            "5",
            G1 if number % 2 else G2,
            collection="counts",
            kind=Kind.INCREMENT,
            data={"a": 10**number},
            version=number + 1,
        )
        for number in range(6)
    ]
    living = {G1, G2}
    left = set(range(6))
    for step, number in taken:
        member = members[number]
        if step in {"run", "lose", "unrecorded"}:
            # Its worker is killed after the commit, or finds the store away.
            failing = {"run": None, "lose": MemoryError(), "unrecorded": StoreUnavailable("away")}
            with unrecorded(bench, failing[step]):
                if bench.run(member).verdicts == (Done(),):
                    left.discard(number)
        elif step == "die":
            bench.kill(number, member.group_id)
            living.discard(member.group_id)
        elif step == "away":
            bench.store.groups.fail(StoreUnavailable("away"))
            bench.run(member)
            bench.store.groups.fail(None)
            bench.clock.advance(10)
        elif step == "sweep":
            bench.sweep()
        else:
            bench.deliver()
        bench.clock.advance(0.5)
    bench.clock.advance(60)
    for number in sorted(left):
        bench.run(members[number])
    bench.clock.advance(60)
    bench.sweep()
    bench.deliver()
    wanted = sum(10**n for n, each in enumerate(members) if each.group_id in living)
    record = bench.target.record("counts", "5") or {"a": 0}
    assert record["a"] == wanted
    assert set(bench.codes()) <= {"SP-E517"}


@contextmanager
def unrecorded(bench, error):
    """Let nothing be recorded as applied for a while, unless *error* is None."""
    groups = bench.store.groups
    if error is None:
        yield
        return
    groups.applied = lambda _members: _raise(error)
    try:
        yield
    finally:
        del groups.applied
