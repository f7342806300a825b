"""A message with more slow operations than one turn has time for ends all the same."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from syncpipe.errors import Refused, TargetBusy, TooSlow
from syncpipe.pipeline import Done, Later, WorkerOptions
from syncpipe.targets.target import apply_one_by_one
from syncpipe.testing.target import MemoryTarget
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench


class SlowTarget(MemoryTarget):
    """Takes a statement timeout for some operations, and tells which were tried."""

    def __init__(self, clock):
        super().__init__("crm", clock=clock)
        self.clock = clock
        self.slow = set()
        self.timeouts = 0

    def apply(self, groups, *, now_ms):
        for each in itertools.chain.from_iterable(group.operations for group in groups):
            if each.id in self.slow:
                self.clock.advance(30)
                self.timeouts += 1
                raise TooSlow("57014")
        return super().apply(groups, now_ms=now_ms)


class SlowEndpoint(MemoryTarget):
    """Takes so long for each call, refuses some operations, and batches that are too large."""

    def __init__(self, clock, seconds, most=9_999):
        super().__init__("crm", clock=clock)
        self.clock = clock
        self.seconds, self.most = seconds, most
        self.bad = set()
        self.calls = 0

    def apply(self, groups, *, now_ms):
        self.clock.advance(self.seconds)
        self.calls += 1
        ids = {each.id for group in groups for each in group.operations}
        if len(ids) > self.most or ids & self.bad:
            raise Refused("no", status=413)
        return super().apply(groups, now_ms=now_ms)

    def apply_each(self, groups, *, now_ms):
        return apply_one_by_one(self, groups, now_ms=now_ms)


class Turns:
    """A message that comes again until it is done, as with a process that holds it."""

    def __init__(self, bench, number, slow, target=None):
        self.bench = bench
        self.operations = [operation(f"k{i}") for i in range(number)]
        self.message = message(*self.operations)
        bench.target = bench.pipeline.target = target or SlowTarget(bench.clock)
        bench.target.slow = {each.id for each in self.operations[:slow]}

    def turn(self):
        (verdict,) = self.bench.run(self.message).verdicts
        if isinstance(verdict, Later):
            attempts = self.message.attempts + verdict.counted
            self.message = replace(self.message, attempts=attempts)
            self.bench.clock.advance(verdict.after_s)
        return verdict


@pytest.mark.parametrize(("slow", "turns"), [(3, 1), (4, 2), (6, 2), (12, 4)])
def test_operations_that_are_too_slow_end_however_many_and_the_others_are_applied(slow, turns):
    bench = Bench(stored=True)
    run = Turns(bench, 100, slow)
    verdicts = [run.turn() for _ in range(turns)]
    assert verdicts == [Later(1.0, counted=False)] * (turns - 1) + [Done()]
    assert len(bench.target.keys("orders")) == 100 - slow
    assert bench.schedule.outlook()["crm"].count == slow
    bench.clock.advance(10)
    due = bench.schedule.lease(["crm"], limit=100, max_bytes=10**6, seconds=0)
    assert {len(each.attempts) for each in due.operations} == {1}
    assert bench.target.timeouts <= slow + turns


def test_without_a_store_what_is_too_slow_is_tried_again_as_often_as_ever_and_ends_dead():
    bench = Bench(WorkerOptions(refused_attempts=3))
    run = Turns(bench, 20, 6)
    verdicts = [run.turn() for _ in range(6)]
    counted = [isinstance(each, Later) and each.counted for each in verdicts]
    assert counted == [False, True, False, True, False, False]
    assert verdicts[-1] == Done()
    assert len(bench.target.keys("orders")) == 14
    assert len(bench.dead()) == 6
    assert bench.target.timeouts >= 3 * 6


def test_who_has_forgotten_what_was_too_slow_tries_it_again_and_gets_through():
    first, second = Bench(stored=True), Bench(stored=True)
    before = Turns(first, 20, 6)
    assert before.turn() == Later(1.0, counted=False)
    after = Turns(second, 0, 0)
    after.message, second.target.slow = before.message, first.target.slow
    assert [after.turn(), after.turn()] == [Later(1.0, counted=False), Done()]


def test_what_was_refused_long_ago_of_a_message_that_went_elsewhere_is_tried_anew():
    bench = Bench(stored=True)
    run = Turns(bench, 20, 6)
    run.turn()
    bench.target.slow = set()
    bench.clock.advance(600)
    assert run.turn() == Done()
    assert len(bench.target.keys("orders")) == 20


def test_what_was_refused_of_a_message_that_is_open_is_tried_anew_when_it_comes_from_elsewhere():
    bench = Bench(stored=True)
    run = Turns(bench, 20, 6)
    run.turn()
    bench.target.slow = set()
    run.message = replace(run.message, attempts=1)
    assert run.turn() == Done()
    assert len(bench.target.keys("orders")) == 20


def test_what_is_slow_is_not_tried_again_because_a_mate_is_locked():
    bench = Bench(WorkerOptions(busy_timeout_s=0), stored=True)
    run = Turns(bench, 3, 1)
    locked = run.operations[2].id
    take = bench.target.apply

    def apply(groups, *, now_ms):
        if any(each.id == locked for group in groups for each in group.operations):
            raise TargetBusy("locked")
        return take(groups, now_ms=now_ms)

    bench.target.apply = apply
    held = Later(1.0, counted=False)
    assert [run.turn(), run.turn()] == [held, held]
    before = bench.target.timeouts
    bench.target.apply = take
    assert run.turn() == Done()
    assert (bench.target.timeouts, bench.schedule.outlook()["crm"].count) == (before, 1)


@pytest.mark.parametrize("bad", [{0}, {1999}, {600, 1900}, set(range(0, 2000, 400))], ids=len)
@pytest.mark.parametrize("seconds", [15, 29])
def test_however_long_each_call_takes_what_is_refused_is_found_and_the_others_go_through(
    bad, seconds
):
    bench = Bench(stored=True)
    run = Turns(bench, 2000, 0, SlowEndpoint(bench.clock, seconds))
    bench.target.bad = {run.operations[number].id for number in bad}
    turns = 1
    while run.turn() != Done():
        turns += 1
        assert turns <= 3 * (len(bad) + 1)
    assert len(bench.target.keys("orders")) == 2000 - len(bad)
    assert {letter.operation_id for letter in bench.dead()} == {
        run.operations[number].uuid for number in bad
    }


def test_what_was_taken_in_small_parts_is_not_sent_again_with_what_there_was_no_time_for():
    bench = Bench(stored=True)
    run = Turns(bench, 2000, 0, SlowEndpoint(bench.clock, 1, most=8))
    calls, taken = [0], [0]
    while run.turn() != Done():
        calls.append(bench.target.calls)
        taken.append(len(bench.target.keys("orders")))
        assert taken[-1] >= taken[-2] + 64
        assert calls[-1] <= calls[-2] + 125
    assert len(bench.target.keys("orders")) == 2000
    assert len(taken) > 2


class LockedTarget(MemoryTarget):
    """Waits for locks on some records, as long as one waits."""

    def __init__(self, clock):
        super().__init__("crm", clock=clock)
        self.clock = clock
        self.locked = set()

    def apply(self, groups, *, now_ms):
        if self.locked & {group.key for group in groups}:
            self.clock.advance(5)
            raise TargetBusy("55P03")
        return super().apply(groups, now_ms=now_ms)

    def apply_each(self, groups, *, now_ms):
        return apply_one_by_one(self, groups, now_ms=now_ms)


@pytest.mark.parametrize("locked", [range(12), range(40), range(0, 500, 3), range(460, 500)])
def test_however_many_records_are_locked_the_others_go_through(locked):
    bench = Bench(stored=True)
    run = Turns(bench, 500, 0, LockedTarget(bench.clock))
    bench.target.locked = {f"k{number}" for number in locked}
    for _ in range(len(locked) // 12 + 1):
        assert run.turn() == Later(1.0, counted=False)
    assert len(bench.target.keys("orders")) == 500 - len(locked)
    bench.target.locked = set()
    assert run.turn() == Done()
    assert len(bench.target.keys("orders")) == 500


def test_a_target_that_takes_some_of_a_batch_is_not_busy_as_a_whole():
    bench = Bench(stored=True)
    run = Turns(bench, 500, 0, LockedTarget(bench.clock))
    bench.target.locked = {f"k{number}" for number in range(0, 500, 20)}
    assert bench.run(run.message).outage is None
    bench.target.locked = {each.key for each in run.operations}
    others = (operation(each.key) for each in run.operations)
    assert isinstance(bench.run(message(*others)).outage, TargetBusy)
