from __future__ import annotations

import pytest

from syncpipe.errors import TargetUnavailable
from syncpipe.pipeline.target_clock import TargetClock
from syncpipe.testing.clock import FakeClock


class Asked:
    """A target whose clock is ahead of ours, and counts how often it is asked."""

    def __init__(self, clock):
        self.clock, self.questions, self.ahead_ms, self.error = clock, 0, 5_000, None

    def now_ms(self):
        self.questions += 1
        if self.error:
            raise self.error
        return self.clock.now_ms() + self.ahead_ms


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def target(clock):
    return Asked(clock)


def test_the_targets_time_goes_on_without_asking(clock, target):
    time = TargetClock(target, clock)
    for _ in range(9):
        assert time.now_ms() == clock.now_ms() + 5_000
        clock.advance(0.1)
    assert target.questions == 1


def test_a_clock_that_was_mended_is_believed_within_a_second(clock, target):
    time = TargetClock(target, clock)
    time.now_ms()
    target.ahead_ms = 0
    clock.advance(1.0)
    assert time.now_ms() == clock.now_ms()


def test_our_own_wall_clock_does_not_matter(clock, target):
    time = TargetClock(target, clock)
    before_ms = time.now_ms()
    clock.jump(3600)
    assert time.now_ms() == before_ms


def test_a_target_that_cannot_be_asked_says_so_each_time(clock, target):
    time = TargetClock(target, clock)
    target.error = TargetUnavailable("down")
    for _ in range(2):
        with pytest.raises(TargetUnavailable):
            time.now_ms()
    assert target.questions == 2
