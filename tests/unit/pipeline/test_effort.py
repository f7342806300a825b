"""What a report tells of the calls of the target, for whoever decides how large batches are."""

from __future__ import annotations

import threading

import pytest

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import Refused, RefusedForNow, TargetBusy, TargetMisconfigured, TooSlow
from syncpipe.pipeline.attempt import Attempt
from syncpipe.pipeline.effort import Effort
from syncpipe.pipeline.isolation import Isolation
from syncpipe.testing.clock import FakeClock, SeededRandom
from tests.unit.pipeline import test_runner
from tests.unit.pipeline.envelopes import message, operation

PATIENCE_S = 5.0


class Group:
    """A record with one operation, as far as isolation looks at it."""

    def __init__(self, key):
        self.collection, self.key = self, key
        self.name = "orders"
        self.operations = (operation(key),)


class Target:
    """Raises what it is told for each call, unless that is None, and takes the rest."""

    def __init__(self, *errors):
        self.errors, self.sizes = list(errors), []
        self.call_s, self.clock = 0.0, FakeClock()

    def apply(self, groups, *, now_ms):  # noqa: ARG002 - the port's
        self.sizes.append(len(groups))
        self.clock.advance(self.call_s)
        error = self.errors.pop(0) if self.errors else None
        if error:
            raise error
        return [Result(group.operations[0], Outcome.APPLIED) for group in groups]


def applied(target, *, records=4, together=None):
    attempt = Attempt(
        target=target,
        now_ms=0,
        until=target.clock.monotonic() + PATIENCE_S,
        clock=target.clock,
        random=SeededRandom(),
        stopped=threading.Event(),
        together=together,
    )
    attempt.stopped.wait = lambda _: False
    Isolation(attempt, timeout_s=9).run([Group(f"k{i}") for i in range(records)])
    return attempt.effort


@pytest.mark.parametrize(
    ("errors", "effort"),
    [
        ([], Effort()),
        ([TargetBusy("locked")] * 3, Effort(busy=3)),
        ([TooSlow("slow")], Effort(slow=True)),
        ([Refused("no")], Effort(sought=True)),
        ([RefusedForNow("no")], Effort(sought=True)),
        ([TargetMisconfigured("no")], Effort(sought=True)),
        ([KeyError("odd")], Effort(sought=True)),
    ],
)
def test_it_tells_how_calls_failed(errors, effort):
    assert applied(Target(*errors), records=1) == effort


def test_no_call_holds_more_records_than_are_to_go_together():
    target = Target()
    applied(target, records=25, together=10)
    assert target.sizes == [10, 10, 5]


@pytest.mark.parametrize(
    ("error", "effort"),
    [
        (TargetBusy("locked"), Effort(busy=1)),
        (TooSlow("slow"), Effort(slow=True)),
        (Refused("no"), Effort(sought=True)),
    ],
)
def test_the_report_of_a_batch_that_was_taken_at_last_tells_it(error, effort):
    bench = test_runner.Bench()
    bench.target.fail(error)
    report = bench.run(message(operation("a"), operation("b")))
    assert report.counts == {Outcome.APPLIED: 2}
    assert report.effort == effort


def test_calls_that_the_target_takes_use_up_no_patience():
    target = Target(*[None] * 9, TargetBusy("deadlock"))
    target.call_s = PATIENCE_S / 4
    assert applied(target, records=30, together=2) == Effort(busy=1)
    assert target.sizes == [2] * 16
