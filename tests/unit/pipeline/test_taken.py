"""A batch all of which the target took is counted as a whole, and no other is taken for one."""

from __future__ import annotations

import pytest

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import RefusedForNow
from syncpipe.pipeline import Done, Later
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench


@pytest.fixture
def bench():
    return Bench()


def test_outcomes_and_latencies_are_those_of_single_operations(bench):
    old, new = operation("a", version=1), operation("a", version=2)
    delayed = operation("b", at_ms=-50, due=0)
    bench.run(message(old))
    bench.clock.advance(0.02)
    report = bench.run(message(old, new), message(delayed, operation("a", version=0)))
    assert report.verdicts == (Done(), Done())
    assert report.counts == {Outcome.DUPLICATE: 1, Outcome.APPLIED: 2, Outcome.SUPERSEDED: 1}
    assert report.latency_ms == {20: 3}
    assert report.took


def test_what_has_no_answer_waits_though_another_has_two(bench):
    first, second = operation("a"), operation("b")
    _answer(bench, lambda found: [found[0], found[0]])
    report = bench.run(message(first), message(second))
    assert isinstance(report.verdicts[1], Later)


def test_what_has_no_answer_waits_though_there_is_one_of_something_else(bench):
    stray = Result(operation("c"), Outcome.APPLIED)
    _answer(bench, lambda found: [found[0], stray])
    report = bench.run(message(operation("a")), message(operation("b")))
    assert isinstance(report.verdicts[1], Later)


def test_what_is_retrying_without_a_reason_waits(bench):
    _answer(bench, lambda found: [Result(each.operation, Outcome.RETRYING) for each in found])
    (verdict,) = bench.run(message(operation("a"))).verdicts
    assert isinstance(verdict, Later)


def test_what_was_refused_in_another_turn_is_forgotten(bench):
    each = operation("a")
    bench.target.refusals[each.id] = RefusedForNow("not yet")
    (verdict,) = bench.run(message(each)).verdicts
    assert isinstance(verdict, Later)
    bench.target.refusals.clear()
    assert bench.run(message(each, attempts=1)).verdicts == (Done(),)
    assert bench.run(message(each)).counts == {Outcome.DUPLICATE: 1}


def _answer(bench, change):
    """Have the target's answers be changed."""
    apply = bench.target.apply
    bench.target.apply = lambda groups, *, now_ms: change(apply(groups, now_ms=now_ms))
