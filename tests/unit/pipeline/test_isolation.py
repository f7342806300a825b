"""What the target refuses, or is slow at, harms only itself, with its very own error."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooSlow,
)
from syncpipe.pipeline.attempt import Attempt
from syncpipe.pipeline.isolation import Isolation
from syncpipe.targets.target import Judgement
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.target import MemoryTarget
from tests.unit.pipeline.envelopes import COLLECTIONS, grouped, operation
from tests.unit.pipeline.test_search import bound

#: Seconds that a target takes to say that it took too long.
STATEMENT_S = 30.0
TIMEOUT_S = 120.0


class FussyTarget(MemoryTarget):
    """Refuses operations by their id, and counts its transactions; a pass is one."""

    def __init__(self, clock):
        super().__init__("crm", clock=clock)
        self.clock = clock
        self.errors = {}
        self.calls = []
        self.passes = 0

    def apply(self, groups, *, now_ms):
        self.calls.append(len(groups))
        return self._take(groups, now_ms)

    def apply_each(self, groups, *, now_ms):
        self.passes += 1
        self.calls.append(len(groups))
        judgements = []
        for group in groups:
            try:
                judgements.append(Judgement(group, self._take((group,), now_ms)))
            except (Refused, RefusedForNow, TargetMisconfigured, TargetBusy) as error:
                judgements.append(Judgement(group, error=error))
                if isinstance(error, TargetBusy | TooSlow):
                    break
        return judgements

    def _take(self, groups, now_ms):
        for group in groups:
            for each in group.operations:
                if error := self.errors.get(each.id):
                    if isinstance(error, TooSlow):
                        self.clock.advance(STATEMENT_S)
                    raise error
        return super().apply(groups, now_ms=now_ms)


class Bench:
    """An isolation of operations on a fussy target."""

    def __init__(self):
        self.clock = FakeClock()
        self.target = FussyTarget(self.clock)
        self.stopped = threading.Event()
        self.results = {}

    def run(self, operations, *, patience_s=0.0, timeout_s=TIMEOUT_S):
        attempt = Attempt(
            target=self.target,
            now_ms=self.clock.now_ms(),
            until=self.clock.monotonic() + patience_s,
            clock=self.clock,
            random=SeededRandom(),
            stopped=self.stopped,
        )
        isolation = Isolation(attempt, timeout_s=timeout_s)
        reason = isolation.run(grouped(operations, COLLECTIONS))
        self.results = {result.operation.id: result for result in isolation.results}
        assert len(self.results) == len(isolation.results), "one result each"
        return reason

    def errors(self):
        """The errors of what has a result but was not taken."""
        return {id_: result.error for id_, result in self.results.items() if result.error}

    def outcomes(self, operations):
        return [self.results[each.id].outcome for each in operations if each.id in self.results]


@pytest.fixture
def bench():
    return Bench()


def records(number, collection="orders"):
    return [operation(f"k{i}", collection=collection) for i in range(number)]


@pytest.mark.parametrize("refusal", [Refused, RefusedForNow])
@pytest.mark.parametrize(("number", "bad"), [(100, 1), (2000, 20), (500, 5), (64, 8), (40, 40)])
def test_as_few_calls_as_promised_find_what_is_refused(bench, refusal, number, bad):
    operations = records(number)
    culprits = random.Random(number).sample(operations, bad)
    bench.target.errors = {each.id: refusal(f"no {each.key}") for each in culprits}
    assert bench.run(operations) is None
    assert bench.errors() == bench.target.errors
    assert len(bench.target.calls) <= bound(number, bad)
    assert len(bench.target.keys("orders")) == number - bad


KINDS = (Refused, RefusedForNow, TargetBusy, TooSlow, TargetMisconfigured)
#: An operation: its record, whether it is a patch, and the index of its error, often none.
OPERATIONS = st.lists(
    st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 40)), min_size=1, max_size=60
)


@given(OPERATIONS)
def test_every_operation_gets_its_own_error_and_no_other(drawn):
    bench = Bench()
    operations = []
    for version, (record, patch, fault) in enumerate(drawn):
        each = operation(
            f"k{record // 2}",
            Kind.PATCH if patch else Kind.UPSERT,
            {"a": 1},
            collection=("orders", "prices")[record % 2],
            version=version,
        )
        operations.append(each)
        if fault < len(KINDS):
            bench.target.errors[each.id] = KINDS[fault](f"no {each.id.hex()}")
    reason = bench.run(operations, timeout_s=10_000)
    if isinstance(reason, TargetBusy):
        assert sum(isinstance(error, TargetBusy) for error in bench.target.errors.values()) >= 4
        return
    if reason is not None:
        # Nothing at all fits the target.
        assert isinstance(reason, TargetMisconfigured)
        assert not bench.results
        return
    assert bench.results.keys() == {each.id for each in operations}
    taken = {result.operation.collection for result in bench.results.values() if not result.error}
    for each in operations:
        error, expected = bench.results[each.id].error, bench.target.errors.get(each.id)
        if isinstance(expected, TargetMisconfigured):
            # It says something about the operation only where others of its collection pass.
            kinds = (RefusedForNow, TargetMisconfigured)
            assert isinstance(error, kinds)
            assert error.message == expected.message or each.collection not in taken
        elif error is not expected:
            assert isinstance(error, TargetMisconfigured)
            assert each.collection not in taken


def test_what_is_refused_is_unfolded_and_tried_in_version_order(bench):
    first, bad, last = (operation("a", Kind.PATCH, {f"f{v}": v}, version=v) for v in (1, 2, 3))
    bench.target.errors[bad.id] = Refused("no")
    bench.run([first, bad, last, *records(20)])
    assert bench.target.record("orders", "a") == {"f1": 1, "f3": 3}
    assert bench.errors() == bench.target.errors


def test_parents_are_tried_before_what_was_sent_after_them(bench):
    parents, children = records(40), records(40, "prices")
    bench.target.errors[parents[7].id] = Refused("no")
    order = []
    take = bench.target._take

    def noted(groups, now_ms):
        results = take(groups, now_ms)
        order.extend(group.collection.name for group in groups)
        return results

    bench.target._take = noted
    bench.run([*parents, *children])
    assert order == ["orders"] * 39 + ["prices"] * 40


def test_a_pass_that_breaks_as_a_whole_is_made_good_one_by_one(bench):
    operations = records(30)
    bench.target.errors[operations[11].id] = Refused("no")

    def broken(*_, **__):
        raise Refused("at the commit")

    bench.target.apply_each = broken
    assert bench.run(operations) is None
    assert bench.errors() == bench.target.errors


@pytest.mark.parametrize("at", [0, 13, 29])
def test_one_slow_operation_costs_one_more_timeout_and_harms_no_mate(bench, at):
    operations = records(30)
    bench.target.errors[operations[at].id] = TooSlow("slow")
    began = bench.clock.monotonic()
    assert bench.run(operations) is None
    assert bench.errors() == bench.target.errors
    assert bench.outcomes(operations).count(Outcome.APPLIED) == 29
    assert bench.results[operations[at].id].outcome is Outcome.RETRYING
    assert bench.clock.monotonic() - began == pytest.approx(2 * STATEMENT_S)


def test_many_slow_operations_take_a_bounded_time(bench):
    operations = records(200)
    bench.target.errors = {each.id: TooSlow("slow") for each in operations[50:]}
    began = bench.clock.monotonic()
    assert bench.run(operations) is None
    assert bench.clock.monotonic() - began <= STATEMENT_S + TIMEOUT_S + STATEMENT_S
    assert bench.outcomes(operations[:50]) == [Outcome.APPLIED] * 50
    assert 3 <= len(bench.errors()) <= 5
    assert len(bench.results) < len(operations)


def test_a_batch_that_is_only_too_large_goes_through(bench):
    operations = records(50)
    take = bench.target._take

    def limited(groups, now_ms):
        if len(groups) > 10:
            raise TooSlow("too many")
        return take(groups, now_ms)

    bench.target._take = limited
    assert bench.run(operations) is None
    assert bench.outcomes(operations) == [Outcome.APPLIED] * 50


def test_a_slow_one_among_refused_ones_is_found_as_well(bench):
    operations = records(100)
    bench.target.errors = {each.id: Refused(each.key) for each in operations[:90:9]}
    bench.target.errors[operations[50].id] = TooSlow("slow")
    assert bench.run(operations) is None
    assert bench.errors() == bench.target.errors


def test_a_locked_record_is_waited_for_once(bench):
    operations = records(2000)
    bench.target.errors[operations[0].id] = TargetBusy("locked")
    assert bench.run(operations) is None
    assert bench.errors() == bench.target.errors
    assert sum(size == 1 for size in bench.target.calls) == 2000
    assert sum(size > 1 for size in bench.target.calls) == 1


def test_who_is_busy_in_a_pass_is_tried_with_patience(bench):
    operations = records(3)
    bench.target.errors[operations[2].id] = Refused("no")
    busy = TargetBusy("deadlock")
    judge = bench.target.apply_each

    def unlucky(groups, **_):
        bench.target.apply_each = judge
        return [Judgement(groups[0], error=busy)]

    bench.target.apply_each = unlucky
    assert bench.run(operations, patience_s=5.0) is None
    assert bench.errors() == bench.target.errors


def test_a_target_that_is_busy_everywhere_is_an_outage_after_a_few_calls(bench):
    operations = records(500)
    bench.target.errors = {each.id: TargetBusy("locked") for each in operations}
    assert isinstance(bench.run(operations), TargetBusy)
    assert len(bench.target.calls) <= 12


@pytest.mark.parametrize("outage", [TargetUnavailable("down"), TargetThrottled("slower")])
@pytest.mark.parametrize("calls", [1, 4, 9])
def test_an_outage_in_the_midst_leaves_the_rest_without_result(bench, outage, calls):
    operations = records(100)
    bench.target.errors[operations[70].id] = Refused("no")
    take, left = bench.target._take, [calls]

    def breaking(groups, now_ms):
        left[0] -= 1
        if left[0] < 0:
            raise outage
        return take(groups, now_ms)

    bench.target._take = breaking
    assert bench.run(operations) is outage
    assert len(bench.results) < len(operations)


BROKEN = TargetUnavailable("broken", status=500, endpoint="/in")


@pytest.mark.parametrize("bad", [[0], [99], [50], [0, 99, 50], [0, 1, 2, 50], [*range(40, 51)]])
def test_what_breaks_an_endpoint_that_takes_others_is_refused_for_now(bench, bad):
    operations = records(101)
    bench.target.errors = {operations[number].id: BROKEN for number in bad}
    assert bench.run(operations) is None
    assert bench.errors().keys() == bench.target.errors.keys()
    for error in bench.errors().values():
        assert type(error) is RefusedForNow
        assert (error.status, error.message) == (500, "broken")
    assert len(bench.target.keys("orders")) == 101 - len(bad)
    assert len(bench.target.calls) <= bound(101, len(bad)) + 16


@pytest.mark.parametrize("kind", [Refused, RefusedForNow])
@pytest.mark.parametrize(("number", "refused", "broken"), [(50, 3, 40), (50, 0, 1), (2, 0, 1)])
def test_what_breaks_an_endpoint_is_found_beside_what_it_refuses(
    bench, kind, number, refused, broken
):
    operations = records(number)
    bench.target.errors = {
        operations[refused].id: kind("no", status=422),
        operations[broken].id: BROKEN,
    }
    assert bench.run(operations) is None
    kinds = {id_: type(error) for id_, error in bench.errors().items()}
    assert kinds == {operations[refused].id: kind, operations[broken].id: RefusedForNow}


def test_an_operation_of_a_record_that_breaks_an_endpoint_is_found(bench):
    operations = [operation("k0", version=version) for version in range(1, 5)] + records(3)[1:]
    bench.target.errors = {operations[2].id: BROKEN}
    assert bench.run(operations) is None
    assert bench.errors().keys() == {operations[2].id}


@pytest.mark.parametrize("number", [1, 2, 100])
def test_an_endpoint_that_breaks_at_everything_is_down_after_three_calls(bench, number):
    operations = records(number)
    bench.target.errors = {each.id: BROKEN for each in operations}
    assert bench.run(operations) is BROKEN
    assert bench.results == {}
    assert len(bench.target.calls) <= 3


@pytest.mark.parametrize("status", [None, 408, 502, 503, 504])
def test_any_other_outage_is_divided_by_nothing(bench, status):
    operations = records(10)
    down = TargetUnavailable("down", status=status)
    bench.target.errors = {operations[5].id: down}
    assert bench.run(operations) is down
    assert (bench.results, bench.target.calls) == ({}, [10])


def test_an_endpoint_that_breaks_in_the_midst_is_down_after_a_few_calls(bench):
    operations = records(200)
    bench.target.errors = {each.id: BROKEN for each in operations[1:]}
    assert bench.run(operations) is BROKEN
    assert len(bench.errors()) < 12


def test_a_process_that_is_to_end_does_not_wait_for_slow_ones(bench):
    operations = records(100)
    bench.target.errors[operations[0].id] = TooSlow("slow")
    bench.stopped.set()
    assert bench.run(operations) is None
    assert len(bench.target.calls) == 1


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_a_record_that_does_not_fit_while_others_do_is_refused_for_now(bench, bad):
    operations = records(20)
    bench.target.errors[operations[bad].id] = TargetMisconfigured("denied", sqlstate="42501")
    assert bench.run(operations) is None
    (error,) = bench.errors().values()
    assert (type(error), error.sqlstate) == (RefusedForNow, "42501")


def test_a_collection_that_does_not_fit_takes_few_calls_and_stops_no_other(bench):
    orders, prices = records(300), records(300, "prices")
    bench.target.errors = {each.id: TargetMisconfigured("no table") for each in orders}
    bench.target.errors[prices[100].id] = Refused("no")
    assert bench.run([*orders, *prices]) is None
    assert {type(bench.results[each.id].error) for each in orders} == {TargetMisconfigured}
    assert bench.outcomes(prices).count(Outcome.APPLIED) == 299
    assert len(bench.target.calls) <= 5 + bound(300, 1)


def test_a_refusal_hides_no_collection_that_does_not_fit(bench):
    orders, prices = records(60), records(60, "prices")
    bench.target.errors = {each.id: TargetMisconfigured("no table") for each in prices}
    bench.target.errors[orders[30].id] = Refused("no")
    assert bench.run([*orders, *prices]) is None
    assert {type(bench.results[each.id].error) for each in prices} == {TargetMisconfigured}
    assert bench.results[orders[30].id].outcome is Outcome.DEAD
