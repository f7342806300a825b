"""The job that goes on with replays."""

from __future__ import annotations

import pytest

from syncpipe.errors import QueueMissing, StoreError, StoreUnavailable
from syncpipe.replay.replayer import Stepped
from syncpipe.store.replays import ReplayState
from workers import replaying


class Station:
    """Remembers what was told."""

    def __init__(self):
        self.told = []

    def say(self, event, **details):
        self.told.append((event, details))

    warn = say


class Replayer:
    """Steps as planned, and then has nothing to do."""

    def __init__(self, *steps):
        self.steps = list(steps)

    def step(self):
        step = self.steps.pop(0) if self.steps else None
        if isinstance(step, Exception):
            raise step
        return step


@pytest.fixture
def station():
    return Station()


def test_it_goes_on_while_something_is_sent_or_changes(station):
    replayer = Replayer(
        Stepped("a", 10), Stepped("a", state=ReplayState.PAUSED, stopped="too many"), None
    )
    replaying._replay(station, replayer)
    assert station.told == [
        ("replayed", {"replay": "a", "operations": 10}),
        ("replay-changed", {"replay": "a", "state": "paused", "reason": "too many"}),
    ]
    assert replayer.steps == []


def test_it_ends_when_all_of_them_wait(station):
    replayer = Replayer(Stepped("a"), Stepped("b"), Stepped("a"), Stepped("b", 10))
    replaying._replay(station, replayer)
    assert len(replayer.steps) == 1


def test_it_ends_at_last_so_that_the_process_can(station):
    replayer = Replayer(*[Stepped("a", 1)] * 100)
    replaying._replay(station, replayer)
    assert len(replayer.steps) == 90


def test_what_goes_wrong_is_told_as_an_error_of_ours(station):
    for fault in (StoreUnavailable("away"), QueueMissing("none")):
        with pytest.raises(type(fault)):
            replaying._replay(station, Replayer(fault))
    with pytest.raises(StoreError, match="KeyError"):
        replaying._replay(station, Replayer(KeyError("a bug")))
    with pytest.raises(QueueMissing):
        replaying._replay(station, Replayer(Stepped("a", 3, error=QueueMissing("none"))))
    assert station.told == [("replayed", {"replay": "a", "operations": 3})]
