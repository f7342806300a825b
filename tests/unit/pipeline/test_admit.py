"""What is not due, or has expired, goes no further."""

from __future__ import annotations

import pytest

from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.errors import TargetUnavailable
from syncpipe.pipeline.admit import admit
from syncpipe.pipeline.batch import Batch
from syncpipe.testing.clock import START_MS, FakeClock
from syncpipe.testing.target import MemoryTarget
from tests.unit.pipeline.envelopes import COLLECTIONS, grouped, item, operation

NOW = 10_000


@pytest.fixture
def target():
    return MemoryTarget("crm", clock=FakeClock())


def admitted(target, *operations):
    items = tuple(item(each, index) for index, each in enumerate(operations))
    return admit(Batch((), items=items, now_ms=START_MS + NOW), target, COLLECTIONS)


def fates(batch):
    return [(each.item.message, each.outcome, each.wait_ms) for each in batch.settled]


def test_what_is_due_goes_on_and_asks_the_target_nothing(target):
    target.seen = None
    due = [operation(), operation(due=NOW), operation(due=5, expires=NOW + 1)]
    batch = admitted(target, *due)
    assert [item.operation for item in batch.items] == due
    assert batch.settled == ()


def test_what_is_not_due_waits_until_then_and_asks_the_target_nothing(target):
    target.seen = None
    batch = admitted(target, operation(due=NOW + 1), operation(), operation(due=NOW + 90_000))
    assert [item.message for item in batch.items] == [1]
    assert fates(batch) == [(0, Outcome.RETRYING, 1), (2, Outcome.RETRYING, 90_000)]
    assert {each.stage for each in batch.settled} == {"admit"}


def test_what_has_expired_is_not_tried(target):
    batch = admitted(target, operation(expires=NOW), operation(due=1, expires=2))
    assert batch.items == ()
    assert fates(batch) == [(0, Outcome.EXPIRED, None), (1, Outcome.EXPIRED, None)]


@pytest.mark.parametrize("kind", list(Kind))
def test_what_had_been_applied_before_it_expired_is_a_duplicate(target, kind):
    applied, never = (operation("a", kind, expires=NOW) for _ in range(2))
    target.apply(grouped([applied], COLLECTIONS), now_ms=START_MS)
    batch = admitted(target, applied, never, applied)
    assert fates(batch) == [
        (0, Outcome.DUPLICATE, None),
        (1, Outcome.EXPIRED, None),
        (2, Outcome.DUPLICATE, None),
    ]


def test_a_target_that_cannot_be_asked_decides_nothing(target):
    def away(_groups):
        raise TargetUnavailable("down")

    target.seen = away
    batch = admitted(target, operation(expires=NOW), operation())
    assert isinstance(batch.outage, TargetUnavailable)
    assert len(batch.items) == 2
    assert batch.settled == ()
