"""How many batches run at once, beside targets that take them in different ways."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.resilience.abreast import Abreast


class Target:
    """Takes 100 operations in 0.1 s, longer by a share for each other batch that runs."""

    def __init__(self, most, *, contention):
        self.abreast, self.most, self.contention = Abreast(most), most, contention
        self.now = 0.0
        self.rate = 0.0

    def take(self, batches=1):
        """Take so many; return how many ran at once beside each."""
        return [self._take() for _ in range(batches)]

    def _take(self):
        number = self.abreast.now
        seconds = 0.1 * (1 + self.contention * (number - 1))
        began, self.now = self.now, self.now + seconds
        self.abreast.ended(
            self.now,
            began=began,
            operations=100,
            seconds=seconds,
            rate=self.rate,
            most=self.most,
        )
        return number


def until(abreast, number, *, seconds, operations=100, began=0.0):
    """Have batches end until it is another *number*; return how many that took."""
    for count in range(1, 2000):
        abreast.ended(began, began=began, operations=operations, seconds=seconds, rate=0.0, most=99)
        if abreast.now == number:
            return count
    raise AssertionError(abreast.now)


def test_a_look_at_fewer_comes_after_some_rounds():
    abreast = Abreast(4)
    assert not abreast.looking
    assert until(abreast, 1, seconds=1) == 4 * 2 * 4
    assert abreast.looking


@given(st.integers(2, 16), st.floats(0, 0.4))
def test_all_stay_where_they_bring_more(most, contention):
    target = Target(most, contention=contention)
    numbers = target.take(3000)
    assert numbers.count(most) > 0.9 * len(numbers)


@given(st.integers(2, 16), st.floats(1.05, 9))
def test_one_is_left_where_more_are_slower(most, contention):
    target = Target(most, contention=contention)
    target.take(1000)
    numbers = target.take(3000)
    assert numbers.count(1) > 0.9 * len(numbers)


def test_one_is_enough_where_more_bring_nothing():
    numbers = Target(4, contention=1.0).take(400)
    assert numbers[-300:].count(1) > 250


@given(st.integers(0, 3000), st.booleans())
def test_a_target_that_changes_is_noticed_within_a_bounded_number_of_batches(batches, better):
    target = Target(4, contention=3.0 if better else 0.1)
    target.take(batches)
    target.contention = 0.1 if better else 3.0
    target.take(1200)
    numbers = target.take(1200)
    assert numbers.count(4 if better else 1) > 0.9 * len(numbers)


def test_looks_that_change_nothing_become_rare():
    target = Target(4, contention=0.1)
    numbers = target.take(4000)
    looks = [place for place, number in enumerate(numbers) if number == 1]
    pauses = [after - before for before, after in itertools.pairwise(looks)]
    assert sorted(pauses) == pauses
    assert pauses[-1] == pytest.approx(64 * 2 * 4, abs=2)


def test_a_look_that_is_hopeless_ends_with_its_first_batch():
    target = Target(4, contention=0.0)
    numbers = target.take(60)
    assert numbers.count(1) == 1


def test_a_look_that_takes_long_is_not_soon_followed_by_another():
    abreast = Abreast(4)
    until(abreast, 1, seconds=1)
    abreast.ended(100, began=0, operations=100, seconds=100, rate=0.0, most=4)
    assert abreast.now == 4
    for second in range(100, 499):
        abreast.ended(second, began=second, operations=100, seconds=1, rate=0.0, most=4)
        assert not abreast.looking
    until(abreast, 1, seconds=1, began=500)


def test_where_some_fail_several_should_have_before_a_look():
    target = Target(4, contention=0.1)
    target.rate = 8 / 50_000
    assert set(target.take(499)) == {4}
    assert target.abreast.now == 4
    target.take()
    assert target.abreast.now == 1


def test_what_began_before_a_look_tells_nothing():
    abreast = Abreast(4)
    until(abreast, 1, seconds=1, began=10)
    for _ in range(9):
        abreast.ended(11, began=9, operations=100, seconds=99, rate=0.0, most=4)
    assert abreast.looking


def test_more_that_are_not_used_bring_nothing():
    target = Target(4, contention=3.0)
    target.take(40)
    while not target.abreast.looking:
        target.take()
    assert target.abreast.now == 2
    target.abreast.left(target.now, began=target.now)
    assert target.abreast.now == 1
    target.abreast.left(target.now, began=target.now)
    assert target.abreast.now == 1


def test_no_more_are_looked_at_than_there_may_be():
    target = Target(4, contention=3.0)
    target.take(40)
    target.most = 1
    assert set(target.take(500)) == {1}


def test_when_batches_are_not_what_they_were_it_begins_anew():
    abreast = Abreast(4)
    until(abreast, 1, seconds=1)
    abreast.begin_anew(5.0)
    assert not abreast.looking
    assert abreast.now == 4
    assert until(abreast, 1, seconds=1, began=5) == 32


def test_after_trouble_it_looks_soon():
    target = Target(4, contention=0.1)
    target.take(2000)
    target.abreast.begin_anew(target.now, soon=True)
    assert set(target.take(32)) == {4}
    assert target.abreast.looking
