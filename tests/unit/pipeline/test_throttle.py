"""A target that was asked too often is left alone for as long as it says."""

from __future__ import annotations

import pytest

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import RefusedForNow, TargetThrottled
from syncpipe.pipeline import Done, Later
from syncpipe.pipeline.throttle import Throttle
from syncpipe.testing.clock import FakeClock
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def throttle(clock):
    return Throttle(clock)


@pytest.fixture
def bench():
    return Bench()


def told(throttle, seconds=None, *, took=False):
    return throttle.told(TargetThrottled("slowly", retry_after_s=seconds), took=took)[0]


@pytest.mark.parametrize(
    ("said_s", "expected_s"),
    [(0, 1), (-5, 1), (0.2, 1), (1, 1), (7.5, 7.5), (300, 300), (301, 300), (1e9, 300)],
)
def test_it_waits_for_what_the_target_says_within_bounds(throttle, said_s, expected_s):
    assert told(throttle, said_s) == expected_s


def test_it_waits_a_second_more_each_time_where_the_target_does_not_say(throttle, clock):
    for expected_s in (1, 2, 3):
        assert told(throttle) == expected_s
        clock.advance(expected_s)
    throttle.passed()
    assert told(throttle) == 1


def test_it_does_not_wait_longer_and_longer_for_a_target_that_takes_something(throttle, clock):
    for _ in range(5):
        assert told(throttle, took=True) == 1
        clock.advance(1)


def test_what_is_told_together_counts_once_and_the_longest_time_holds(throttle, clock):
    assert told(throttle) == 1
    assert told(throttle) == 1
    assert told(throttle, 5) == 5
    assert told(throttle, 2) == 5
    clock.advance(5)
    assert told(throttle) == 2


def test_only_the_first_time_is_news(throttle, clock):
    error = TargetThrottled("slowly")
    assert throttle.told(error, took=False) == (1, True)
    clock.advance(1)
    assert throttle.told(error, took=True)[1] is False
    assert (throttle.passed(), throttle.passed()) == (True, False)
    assert throttle.told(error, took=False)[1] is True


def test_messages_of_a_throttled_target_wait_uncounted(bench):
    bench.target.fail(TargetThrottled("slowly", retry_after_s=7))
    report = bench.run(message(operation("a"), attempts=9), message(operation("b")))
    assert report.verdicts == (Later(7, counted=False),) * 2
    assert (type(report.outage), report.pause_s) == (TargetThrottled, 7)
    assert report.counts == {Outcome.RETRYING: 2}
    assert bench.dead() == []


def test_a_throttled_target_is_not_asked_again_in_the_same_batch(bench):
    bench.target.fail(TargetThrottled("slowly"), times=None)
    bench.run(*(message(operation(f"k{i}")) for i in range(64)))
    assert bench.target.calls == 1


def test_the_log_says_once_that_it_is_left_alone_and_once_that_it_goes_on(bench):
    bench.target.fail(TargetThrottled("slowly"), times=2)
    for _ in range(4):
        bench.run(message(operation("a")))
        bench.clock.advance(5)
    events = [line for line in bench.lines if line["event"] != "batch"]
    assert [line["event"] for line in events] == ["target-paused", "target-resumed"]
    assert events[0]["code"] == "SP-E504"


def test_what_a_target_took_before_it_was_throttled_is_done(bench):
    throttled = TargetThrottled("slowly", retry_after_s=3)

    def half(groups, **_):
        first, second = groups
        return [
            Result(first.operations[0], Outcome.APPLIED),
            Result(second.operations[0], Outcome.RETRYING, throttled),
        ]

    bench.target.apply = half
    report = bench.run(message(operation("a")), message(operation("b")))
    assert report.verdicts == (Done(), Later(3, counted=False))
    assert (report.outage, report.pause_s) == (throttled, 3)


def test_an_error_that_nobody_knows_is_counted_and_told_without_what_it_says(bench):
    culprit = operation("a")
    bench.target.refusals[culprit.id] = RefusedForNow("payload", unknown="P0001")
    report = bench.run(message(culprit, operation("b")))
    assert report.counts == {Outcome.RETRYING: 1, Outcome.APPLIED: 1}
    assert report.unknown == {"P0001": 1}
    (line,) = [line for line in bench.lines if line["event"] == "unknown-error"]
    assert (line["code"], line["operations"], line["target"]) == ("P0001", 1, "crm")
    assert "payload" not in str(line)


def test_a_fault_of_the_adapter_itself_is_an_error_that_nobody_knows(bench):
    culprit = operation("a")
    bench.target.refusals[culprit.id] = ZeroDivisionError("payload")
    report = bench.run(message(culprit, operation("b")))
    assert report.unknown == {"ZeroDivisionError": 1}
    assert all(isinstance(verdict, Later) and verdict.counted for verdict in report.verdicts)


def test_what_is_known_is_not_told_as_unknown(bench):
    bench.target.fail(RefusedForNow("no parent", sqlstate="23503"))
    assert bench.run(message(operation("a"))).unknown == {}
    assert "unknown-error" not in bench.events()
