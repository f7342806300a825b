from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.resilience.reach import Reach

SECONDS = st.floats(0, 1e6, allow_nan=False)
AMOUNTS = st.floats(0, 1e9, allow_nan=False)
ACTS = st.one_of(
    st.tuples(st.just("grow"), SECONDS, st.integers(0, 10**6), AMOUNTS),
    st.tuples(st.just("shrink"), AMOUNTS),
    st.tuples(st.just("fit"), AMOUNTS),
    st.tuples(st.just("restart")),
)


def act(reach, name, *values):
    match name, values:
        case "grow", (seconds, used, to):
            reach.grow(seconds, used=used, to=to)
        case "shrink", (to,):
            reach.shrink(to=to)
        case _:
            getattr(reach, name)(*values)


def grown(reach, *, seconds=0.1, times=1):
    for _ in range(times):
        reach.grow(seconds, used=reach.now)
    return reach.now


@given(st.integers(1, 50), st.integers(1, 20_000), st.lists(ACTS, max_size=60))
def test_it_stays_within_its_limits_whatever_happens(least, most, acts):
    reach = Reach(least=least, most=most)
    for each in acts:
        act(reach, *each)
        assert min(least, most) <= reach.now <= most
        assert reach.now > 0


@given(st.lists(ACTS, max_size=60))
def test_it_forgets_all_trouble_when_all_goes_well(acts):
    reach = Reach(least=10, most=16_000)
    for each in acts:
        act(reach, *each)
    assert grown(reach, seconds=1, times=64 + 16) == 16_000


def test_it_begins_with_the_most_or_with_what_is_said():
    assert Reach(least=1, most=4).now == 4
    assert Reach(least=1, most=4, first=9).now == 4
    assert Reach(least=1, most=4, first=2).now == 2


def test_it_doubles_until_there_was_trouble():
    reach = Reach(least=10, most=16_000, first=1000)
    assert [grown(reach) for _ in range(5)] == [2000, 4000, 8000, 16_000, 16_000]


def test_from_half_of_where_trouble_was_it_grows_evenly():
    reach = Reach(least=10, most=16_000, first=1000)
    reach.shrink()
    assert [grown(reach) for _ in range(3)] == [550, 600, 650]


def test_beyond_where_trouble_was_it_doubles():
    reach = Reach(least=10, most=16_000, first=1000)
    reach.shrink()
    assert grown(reach, times=10) == pytest.approx(1000, abs=1)
    assert grown(reach, seconds=0.3, times=3) > 4000


def test_trouble_at_the_same_place_makes_it_wait_twice_as_long():
    reach = Reach(least=10, most=16_000, first=1000)
    waits = []
    for _ in range(8):
        reach.shrink()
        waits.append(0)
        while reach.now < 999:
            grown(reach)
            waits[-1] += 1
    assert waits[:4] == pytest.approx([10, 20, 40, 80], abs=2)
    assert waits[-1] == pytest.approx(320, abs=10)


def test_trouble_that_goes_on_halves_it_without_more_waiting():
    reach = Reach(least=10, most=16_000)
    for _ in range(4):
        reach.shrink()
    assert reach.now == 1000
    assert grown(reach) == 1100


def test_it_may_shrink_to_less_and_then_doubles_to_half():
    reach = Reach(least=10, most=1000)
    reach.shrink(to=100)
    assert [reach.now, *(grown(reach) for _ in range(4))] == [100, 200, 400, 500, 550]


def test_what_fits_is_no_trouble():
    reach = Reach(least=10, most=16_000)
    reach.fit(3000)
    assert [reach.now, grown(reach)] == [3000, 6000]
    assert Reach(least=10, most=16_000).smallest is False


def test_it_grows_no_further_than_it_should():
    reach = Reach(least=10, most=16_000, first=1000)
    reach.grow(1, used=1000, to=1100)
    assert reach.now == 1100
    reach.grow(1, used=1100, to=500)
    assert reach.now == 1100


def test_after_a_restart_it_doubles_to_where_it_was():
    reach = Reach(least=10, most=100)
    reach.restart()
    reach.restart()
    assert reach.smallest
    assert [reach.now, *(grown(reach) for _ in range(4))] == [10, 20, 40, 80, 100]


def test_the_least_is_no_more_than_the_most():
    reach = Reach(least=10, most=2)
    reach.shrink()
    assert reach.now == 2
