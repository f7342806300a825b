"""A message that may have killed a process: its operations go one by one, each noted first."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.errors import Quarantined, Refused, TargetUnavailable
from syncpipe.pipeline import Done, Later
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench


@dataclass
class Notes:
    """Remembers what was begun, and gives up what it is told to."""

    lethal: set = field(default_factory=set)
    begun: list = field(default_factory=list)

    def gives_up(self, operation):
        return operation.id in self.lethal

    def begin(self, operation):
        self.begun.append(operation.id)


@pytest.fixture
def bench():
    return Bench()


def test_every_operation_is_noted_before_it_is_applied_alone(bench):
    each = [operation("a", version=1), operation("b", version=2), operation("a", version=3)]
    notes = Notes()

    report = bench.pipeline.run([message(*each)], notes)

    assert sorted(notes.begun) == sorted(o.id for o in each)
    assert notes.begun.index(each[0].id) < notes.begun.index(each[2].id)
    assert bench.target.calls == 3
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.APPLIED: 3}


def test_what_has_killed_is_a_dead_letter_and_never_applied(bench):
    bad, good = operation("a"), operation("b")
    notes = Notes({bad.id})

    report = bench.pipeline.run([message(bad, good)], notes)

    assert notes.begun == [good.id]
    assert report.counts == {Outcome.APPLIED: 1, Outcome.DEAD: 1}
    assert [(d.code, d.operation_id) for d in bench.dead()] == [(Quarantined.code, bad.uuid)]


def test_what_the_target_refuses_ends_as_ever(bench):
    bad, good = operation("a"), operation("b")
    bench.target.refusals[bad.id] = Refused("No.")

    report = bench.pipeline.run([message(bad, good)], Notes())

    assert report.counts == {Outcome.APPLIED: 1, Outcome.DEAD: 1}


def test_an_outage_leaves_the_rest_for_later(bench):
    bench.target.fail(TargetUnavailable("down"), times=None)
    notes = Notes()

    report = bench.pipeline.run([message(operation("a"), operation("b"))], notes)

    assert len(notes.begun) == 1
    assert isinstance(report.verdicts[0], Later)
    assert not bench.dead()
