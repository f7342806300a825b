"""A target that was asked too often is left alone for as long as it says."""

from __future__ import annotations

import pytest

from syncpipe.resilience.throttle import Throttle


@pytest.fixture
def throttle():
    return Throttle()


def pause(throttle, now, seconds=None, *, took=False):
    throttle.told(now, seconds, took=took)
    return throttle.until - now


@pytest.mark.parametrize(
    ("said_s", "expected_s"),
    [(0, 1), (-5, 1), (0.2, 1), (1, 1), (7.5, 7.5), (300, 300), (301, 300), (1e9, 300)],
)
def test_it_waits_for_what_the_target_says_within_bounds(throttle, said_s, expected_s):
    assert pause(throttle, 0.0, said_s) == expected_s


def test_it_waits_a_second_more_each_time_where_the_target_does_not_say(throttle):
    assert [pause(throttle, now) for now in (0.0, 1.0, 3.0)] == [1, 2, 3]
    throttle.passed()
    assert pause(throttle, 9.0) == 1


def test_it_does_not_wait_longer_and_longer_for_a_target_that_takes_something(throttle):
    assert [pause(throttle, float(now), took=True) for now in range(5)] == [1] * 5


def test_what_is_told_together_counts_once_and_the_longest_time_holds(throttle):
    assert [pause(throttle, 0.0, said_s) for said_s in (None, None, 5, 2)] == [1, 1, 5, 5]
    assert pause(throttle, 5.0) == 2


def test_it_remembers_until_everything_was_taken(throttle):
    assert not throttle.told_so
    throttle.told(0.0, None, took=True)
    assert throttle.told_so
    throttle.passed()
    assert not throttle.told_so
    throttle.told(0.0, 9.0, took=False)
    throttle.clear()
    assert (throttle.until, throttle.told_so) == (0.0, False)
