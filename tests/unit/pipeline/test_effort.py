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


class Group:
    """A record with one operation, as far as isolation looks at it."""

    def __init__(self, key):
        self.collection, self.key = self, key
        self.name = "orders"
        self.operations = (operation(key),)


class Target:
    """Raises what it is told, once each, and takes the rest."""

    def __init__(self, *errors):
        self.errors, self.sizes = list(errors), []

    def apply(self, groups, *, now_ms):  # noqa: ARG002 - the port's
        self.sizes.append(len(groups))
        if self.errors:
            raise self.errors.pop(0)
        return [Result(group.operations[0], Outcome.APPLIED) for group in groups]


def applied(target, *, records=4, together=None):
    attempt = Attempt(
        target=target,
        now_ms=0,
        until=1e9,
        clock=FakeClock(),
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
