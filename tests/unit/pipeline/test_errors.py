"""What the pipeline makes of errors that are no operation's fault, or that nobody knows."""

from __future__ import annotations

import pytest

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import RefusedForNow, TargetThrottled
from syncpipe.pipeline import Done, Later
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench


@pytest.fixture
def bench():
    return Bench()


def test_messages_of_a_throttled_target_wait_uncounted(bench):
    bench.target.fail(TargetThrottled("slowly", retry_after_s=7))
    report = bench.run(message(operation("a"), attempts=9), message(operation("b")))
    assert report.verdicts == (Later(1, counted=False),) * 2
    assert (report.outage.retry_after_s, report.took) == (7, False)
    assert report.counts == {Outcome.RETRYING: 2}
    assert bench.dead() == []


def test_a_throttled_target_is_not_asked_again_in_the_same_batch(bench):
    bench.target.fail(TargetThrottled("slowly"), times=None)
    bench.run(*(message(operation(f"k{i}")) for i in range(64)))
    assert bench.target.calls == 1


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
    assert report.verdicts == (Done(), Later(1, counted=False))
    assert (report.outage, report.took) == (throttled, True)


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
