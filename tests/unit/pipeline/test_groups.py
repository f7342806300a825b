"""Operations that belong to a group, on their way through the stages."""

from __future__ import annotations

import pytest

from syncpipe.core.codec import encode
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import Priority
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    StoreUnavailable,
    TargetUnavailable,
)
from syncpipe.pipeline import Done, Later
from syncpipe.store.groups import Counts, Member
from tests.unit.pipeline.envelopes import grouped, message
from tests.unit.pipeline.envelopes import operation as plain
from tests.unit.pipeline.group_bench import (
    COLLECTIONS,
    G1,
    G2,
    Bench,
    fail_with,
    operation,
    unrecorded,
)


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
    bench.target.seen = lambda _groups: fail_with(TargetUnavailable("down"))
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
