"""A target that refuses too much of a collection is mistaken, not its records."""

from __future__ import annotations

import pytest

from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.errors import Refused, RefusedForNow, TargetBusy, TargetMisconfigured, TooSlow
from syncpipe.pipeline import Done, Later
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench

CHECK = {"sqlstate": "23514", "constraint": "positive"}


class Target:
    """Refuses every upsert of a collection while told to."""

    def __init__(self, bench):
        self.bench = bench
        self.error = Refused("new row holds secret-value", **CHECK)
        self.refused = {"orders"}
        self.tried = []
        self._apply = bench.target.apply
        bench.target.apply = self.apply

    def apply(self, groups, *, now_ms):
        for group in groups:
            if group.collection.name in self.refused:
                self.tried += [group.key] if len(groups) == 1 else []
                raise self.error
        return self._apply(groups, now_ms=now_ms)


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def target(bench):
    return Target(bench)


def orders(number, *, first=0, collection="orders"):
    return [
        operation(f"{collection[0]}{i}", collection=collection)
        for i in range(first, first + number)
    ]


def alarms(bench):
    return [line for line in bench.lines if line["event"].startswith("collection-")]


@pytest.mark.parametrize(
    "error",
    [
        Refused("no", **CHECK),
        Refused("no", status=422),
        RefusedForNow("what?", sqlstate="P0001", unknown="P0001"),
        TooSlow("slow", sqlstate="57014"),
    ],
)
def test_where_each_of_many_is_refused_they_wait_with_an_alarm(bench, target, error):
    target.error = error
    report = bench.run(message(*orders(25)), message(*orders(1, collection="prices"), attempts=9))
    assert report.counts == {Outcome.RETRYING: 25, Outcome.APPLIED: 1}
    assert isinstance(report.verdicts[0], Later)
    assert not report.verdicts[0].counted
    assert report.verdicts[1] == Done()
    assert (report.outage, bench.dead()) == (None, [])
    (line,) = alarms(bench)
    assert (line["event"], line["collection"], line["code"]) == (
        "collection-paused",
        "orders",
        "SP-E503",
    )
    assert error.code in line["error"]


@pytest.mark.usefixtures("target")
def test_the_alarm_names_the_refusal_and_no_value(bench):
    bench.run(message(*orders(25), *orders(1, collection="prices")))
    (line,) = alarms(bench)
    assert (
        "each of 25 records of 'orders' (SP-E511, SQLSTATE 23514, constraint 'positive')"
        in (line["error"])
    )
    assert "secret" not in repr(bench.lines)


@pytest.mark.usefixtures("target")
def test_few_are_refused_for_themselves(bench):
    report = bench.run(message(*orders(19)))
    assert report.counts == {Outcome.DEAD: 19}
    assert len(bench.dead()) == 19


@pytest.mark.usefixtures("target")
def test_many_operations_on_few_records_show_nothing(bench):
    many = [operation("a", Kind.PATCH, {"n": v}, version=v) for v in range(30)]
    assert bench.run(message(*many)).counts == {Outcome.DEAD: 30}


def test_where_one_passes_the_others_are_refused_for_themselves(bench):
    operations = orders(60)
    bench.target.refusals = {each.id: Refused("no") for each in operations[:-1]}
    assert bench.run(message(*operations)).counts == {Outcome.DEAD: 59, Outcome.APPLIED: 1}


def test_a_missing_parent_shows_nothing(bench, target):
    target.error = RefusedForNow("no parent", sqlstate="23503")
    report = bench.run(message(*orders(200)))
    assert report.verdicts[0].counted
    assert alarms(bench) == []


def test_a_busy_target_shows_nothing(bench, target):
    target.error = TargetBusy("locked")
    bench.pipeline.stop()
    bench.run(message(*orders(25)))
    assert alarms(bench) == []


def test_meanwhile_its_operations_are_not_tried_and_others_go_on(bench, target):
    bench.run(message(*orders(25)))
    target.tried.clear()
    report = bench.run(message(*orders(5, first=100)), message(*orders(5, collection="prices")))
    assert target.tried == []
    assert isinstance(report.verdicts[0], Later)
    assert report.verdicts[1] == Done()
    assert report.outage is None


@pytest.mark.usefixtures("target")
def test_what_holds_nothing_else_leaves_the_target_alone_where_nothing_keeps_it(bench):
    """Kept in the process, its messages would be in the way of other targets."""
    report = bench.run(message(*orders(25)))
    assert isinstance(report.outage, TargetMisconfigured)
    assert bench.run(message(*orders(3, first=50))).outage is report.outage


def test_a_probe_is_small_and_pauses_double_until_it_passes(bench, target):
    bench.run(message(*orders(40)))
    waits, since = [], bench.clock.monotonic()
    for _ in range(1000):
        bench.clock.advance(0.5)
        target.tried.clear()
        bench.run(message(*orders(40)), message(*orders(1, collection="prices")))
        if target.tried:
            assert len(set(target.tried)) == 8
            waits.append(bench.clock.monotonic() - since)
            since = bench.clock.monotonic()
    assert bench.dead() == []
    assert waits[0] <= 2
    assert waits[:4] == sorted(waits[:4])
    assert all(30 <= wait <= 61 for wait in waits[7:])
    assert len(alarms(bench)) == 1
    target.refused.clear()
    bench.clock.advance(61)
    report = bench.run(message(*orders(40)))
    assert report.counts[Outcome.APPLIED] == 8
    assert alarms(bench)[1]["event"] == "collection-resumed"
    bench.clock.advance(2)
    assert bench.run(message(*orders(40))).verdicts == (Done(),)


def test_a_probe_takes_others_each_time(bench, target):
    bench.run(message(*orders(40)))
    seen = set()
    for _ in range(40):
        bench.clock.advance(61)
        target.tried.clear()
        bench.run(message(*orders(40)))
        seen |= set(target.tried)
    assert len(seen) > 30


def test_what_is_refused_in_a_probe_that_passes_is_refused_for_itself(bench, target):
    bench.run(message(*orders(40)))
    target.refused.clear()
    bench.clock.advance(61)
    few = orders(8, first=200)
    bench.target.refusals = {few[0].id: Refused("no")}
    assert bench.run(message(*few)).counts == {Outcome.DEAD: 1, Outcome.APPLIED: 7}


def mixed(bench, number, refused):
    """Run batches of ten, of which some are refused, until so many are through."""
    for first in range(0, number, 10):
        operations = orders(10, first=first)
        bench.target.refusals = {each.id: Refused("no", **CHECK) for each in operations[:refused]}
        bench.run(message(*operations), message(*orders(1, first=first, collection="prices")))


def test_more_than_half_of_the_latest_refused_is_too_much(bench):
    mixed(bench, 500, 6)
    assert len(bench.dead()) == 12
    (line,) = alarms(bench)
    assert "refuses 12 of the last 20 records of 'orders'" in line["error"]


def test_half_of_the_latest_refused_is_not(bench):
    mixed(bench, 500, 5)
    assert len(bench.dead()) == 250
    assert alarms(bench) == []


@pytest.mark.usefixtures("target")
def test_a_trickle_that_is_all_refused_leaves_few_dead_letters(bench):
    for number in range(500):
        bench.run(message(operation(f"o{number}")), message(operation("p", collection="prices")))
    assert len(bench.dead()) == 20
    assert len(alarms(bench)) == 1


@pytest.mark.usefixtures("target")
def test_a_record_that_is_refused_again_and_again_harms_no_other(bench):
    for version in range(100):
        bench.run(message(operation("o", version=version), operation("p", collection="prices")))
    assert len(bench.dead()) == 100
    assert alarms(bench) == []


def test_only_the_latest_records_count(bench):
    mixed(bench, 400, 0)
    mixed(bench, 80, 10)
    assert alarms(bench) == []
    mixed(bench, 110, 10)
    (line,) = alarms(bench)
    assert "of the last 200 records of 'orders'" in line["error"]


def test_a_misconfiguration_that_others_do_not_meet_pauses_its_collection(bench, target):
    target.error = TargetMisconfigured("no such table", sqlstate="42P01")
    prices = message(*orders(3, collection="prices"))
    report = bench.run(message(*orders(3)), prices)
    assert report.verdicts[1] == Done()
    assert alarms(bench)[0]["event"] == "collection-paused"
    target.tried.clear()
    bench.run(message(*orders(3)), prices)
    assert target.tried == []
    target.refused.clear()
    bench.clock.advance(61)
    assert bench.run(message(*orders(3)), prices).verdicts == (Done(), Done())
    assert alarms(bench)[1]["event"] == "collection-resumed"
    assert bench.dead() == []


def scheduled(bench):
    """How many operations wait in the schedule."""
    return sum(each.count for each in bench.schedule.outlook().values())


def test_with_a_schedule_they_wait_there_uncounted_and_the_target_is_not_left_alone():
    bench = Bench(stored=True)
    Target(bench)
    report = bench.run(message(*orders(40)))
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.RETRYING: 40}
    assert (report.outage, bench.dead(), scheduled(bench)) == (None, [], 40)
    bench.clock.advance(2)
    (*found,) = bench.schedule.lease(["crm"], limit=100, max_bytes=10**6, seconds=0).operations
    assert {each.attempts for each in found} == {()}


@pytest.mark.parametrize("age_s", [40, 600, 7200])
def test_each_waits_as_long_as_its_collection_is_paused_already(age_s):
    bench = Bench(stored=True)
    Target(bench)
    bench.run(message(*orders(40)))
    bench.clock.advance(age_s)
    taken = []
    bench.schedule.put = taken.extend
    bench.run(message(operation("x")), message(operation("y")))
    waits_s = {entry.wait_ms / 1000 for entry in taken}
    assert all(min(age_s, 3600) <= wait <= max(min(age_s, 3600), 61) for wait in waits_s)
    assert waits_s


def test_a_part_of_a_large_batch_is_no_mistake_of_the_target(bench):
    operations = orders(1000)
    bad = operations[::6]
    bench.target.refusals = {each.id: Refused("no") for each in bad}
    report = bench.run(message(*operations))
    assert report.counts == {Outcome.DEAD: len(bad), Outcome.APPLIED: 1000 - len(bad)}
    assert alarms(bench) == []


def test_where_most_operations_go_to_a_few_records_the_bad_among_them_stay_few(bench):
    for batch in range(30):
        good = [operation(f"o{i}", version=batch + 1) for i in range(20)]
        bad = orders(3, first=1000 + 3 * batch)
        bench.target.refusals |= {each.id: Refused("no") for each in bad}
        report = bench.run(message(*good, *bad))
        assert report.counts == {Outcome.DEAD: 3, Outcome.APPLIED: 20}
    assert alarms(bench) == []


def test_a_record_of_which_something_is_taken_is_not_refused(bench):
    for first in range(0, 100, 10):
        good = [operation(f"o{first + i}", Kind.PATCH, {"a": 1}, version=1) for i in range(10)]
        bad = [operation(f"o{first + i}", Kind.PATCH, {"b": 1}, version=2) for i in range(10)]
        bench.target.refusals = {each.id: Refused("no") for each in bad}
        bench.run(message(*good, *bad))
    assert len(bench.dead()) == 100
    assert alarms(bench) == []


def test_a_probe_of_repeats_ends_the_pause(bench, target):
    known = orders(8, first=500)
    target.refused.clear()
    bench.run(message(*known))
    target.refused.add("orders")
    bench.run(message(*orders(40)))
    target.refused.clear()
    bench.clock.advance(61)
    assert bench.run(message(*known)).verdicts == (Done(),)
    assert bench.run(message(*orders(40))).verdicts == (Done(),)


def test_what_is_not_paused_any_longer_has_no_time_to_wait(bench, target):
    bench.run(message(*orders(20)))
    pauses = bench.pipeline._policy.pauses
    bench.clock.advance(3000)
    assert pauses.wait_ms("orders") == 1000  # without a store, nothing waits long
    target.refused.clear()
    bench.run(message(*orders(8, first=50)))
    assert pauses.reason("orders") is None
    assert pauses.wait_ms("orders") is None
    assert pauses.wait_ms("prices") is None


@pytest.mark.usefixtures("target")
def test_who_is_resumed_by_another_thread_meanwhile_comes_again_at_once(bench):
    bench.run(message(*orders(20)))
    bench.clock.advance(3000)
    pauses = bench.pipeline._policy.pauses
    judged = pauses.judged

    def resumed_by_another(results):
        pauses._records.clear()
        return judged(results)

    pauses.judged = resumed_by_another
    (verdict,) = bench.run(message(*orders(20, first=50))).verdicts
    assert verdict == Later(1.0, counted=False)
