"""How large calls are best, by what they cost and what is lost when they fail."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.resilience.losses import Losses


class Target:
    """Takes calls in a time by a formula; as many fail, by the operations, as it is told."""

    def __init__(self, *, call_s=0.01, each_s=1e-4, rate=1e-3, wait_s=0.0, lost_s=5e-3):
        self.call_s, self.each_s = call_s, each_s
        self.rate, self.wait_s, self.lost_s = rate, wait_s, lost_s
        self.losses, self.now, self._due = Losses(), 0.0, 0.5

    def take(self, size, *, operations=None):
        """Take that many, in calls of such a *size*."""
        operations = operations or size
        self._due += self.rate * operations
        failed = int(self._due)
        self._due -= failed
        seconds = math.ceil(operations / size) * self.call_s + operations * self.each_s
        seconds += failed * (self.wait_s + self.lost_s * size)
        self.now += seconds
        self.losses.note(self.now, operations=operations, size=size, seconds=seconds, failed=failed)
        return self.losses.best()

    def follow(self, calls):
        """Take calls as large as is best, each at most twice as large as the one before."""
        size = 100
        for _ in range(calls):
            size = int(min(max(10, self.take(size)), 2 * size, 2000))
        return size

    def price(self, size):
        """Return what an operation costs."""
        lost_s = self.rate * (self.wait_s + self.lost_s * size)
        return self.call_s / size + self.each_s + lost_s


def test_where_nothing_fails_none_is_too_large():
    target = Target(rate=0.0)
    assert target.follow(50) == 2000
    assert target.losses.best() == math.inf
    assert Losses().best() == math.inf


def test_calls_become_as_large_as_is_best():
    assert Target().follow(500) == pytest.approx(math.sqrt(0.01 / (1e-3 * 5e-3)), rel=0.4)


@given(
    st.floats(0.001, 0.05),
    st.floats(1e-5, 1e-4),
    st.floats(3e-4, 3e-3),
    st.floats(1e-3, 1e-2),
)
def test_they_cost_hardly_more_than_the_best_would(call_s, each_s, rate, lost_s):
    target = Target(call_s=call_s, each_s=each_s, rate=rate, lost_s=lost_s)
    size = target.follow(600)
    least = min(target.price(each) for each in range(10, 2001, 5))
    assert target.price(size) < 1.1 * least


def test_what_a_failure_loses_whatever_a_call_held_is_no_reason_for_smaller_ones():
    target = Target(rate=1e-5, wait_s=5.0, lost_s=0.0)
    assert target.follow(600) > 500
    assert target.follow(600) > 500
    proportional = Target(rate=1e-5, lost_s=5e-3)
    assert proportional.follow(600) == pytest.approx(447, rel=0.2)


def test_a_batch_of_several_calls_tells_as_much():
    target = Target()
    for size in [50, 100, 200] * 50:
        best = target.take(size, operations=4 * size)
    assert best == pytest.approx(44.7, rel=0.1)


def test_one_failure_is_enough_for_a_guess():
    target = Target(rate=0.0)
    for size in (100, 200, 400, 800):
        target.take(size)
    target.rate = 1e-3
    assert target.take(1000) < 150


@pytest.mark.parametrize("failures", [1, 40, 1000])
def test_those_that_fail_all_at_one_size_make_smaller_ones_be_tried(failures):
    target = Target(rate=0.0)
    for size in (500, 1000, 2000):
        target.take(size)
    target.rate = 1e-3
    for _ in range(failures):
        best = target.take(2000)
    assert best < 200


def test_when_none_fails_any_more_it_is_soon_forgotten():
    target = Target()
    target.follow(500)
    target.rate = 0.0
    sizes = []
    while not sizes or sizes[-1] < math.inf:
        sizes.append(target.take(40))
    assert 400 < len(sizes) < 600
    assert sorted(sizes) == sizes
    assert target.losses.rate == 0.0


def test_what_was_long_ago_counts_no_more():
    target = Target()
    target.follow(500)
    target.now += 1e9
    assert target.take(100) == math.inf


@given(
    st.lists(
        st.tuples(
            st.floats(0, 100),
            st.integers(1, 20_000),
            st.integers(1, 2000),
            st.floats(0, 1000),
            st.integers(0, 200),
        ),
        max_size=60,
    )
)
def test_whatever_happens_there_is_a_best(runs):
    losses, now = Losses(), 0.0
    for pause_s, operations, size, seconds, failed in runs:
        now += pause_s
        losses.note(
            now, operations=operations, size=min(size, operations), seconds=seconds, failed=failed
        )
        assert losses.best() >= 0
        assert losses.rate >= 0
