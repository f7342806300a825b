from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.resilience.quota import Quota, parse_quota

steps = st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), max_size=40)


@pytest.mark.parametrize(
    ("rate", "burst", "per_s", "at_once"),
    [
        ("1000/min", None, 1000 / 60, 1000 / 60),
        ("5 / s", None, 5, 5),
        ("2.5/s", 9, 2.5, 9),
        ("10/h", None, 10 / 3600, 1),
    ],
)
def test_rates_are_written_with_their_time(rate, burst, per_s, at_once):
    quota = parse_quota(rate, burst)
    assert (quota.per_s, quota.burst) == (pytest.approx(per_s), pytest.approx(at_once))


@pytest.mark.parametrize("rate", ["", "5", "0/s", "5/day", "-1/s", "5/s/s", "x/s"])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(ValueError, match=r"^$|."):
        parse_quota(rate, None)


@given(steps, st.floats(0.5, 50), st.integers(30, 60))
def test_never_more_begins_than_the_rate_and_one_burst(steps, per_s, burst):
    quota, spent, now = Quota(1 / per_s, burst), 0.0, 0.0
    begun = []
    for pause_s, operations in steps:
        now += pause_s
        spent, wait_s = quota.reserve(spent, now, operations)
        begun.append((now + wait_s, operations))
    moments = sorted(at for at, _ in begun)
    for number, first in enumerate(moments):
        for last in moments[number:]:
            total = sum(operations for at, operations in begun if first <= at <= last)
            assert total <= burst + per_s * (last - first) + 1e-6


@given(steps, st.floats(0.5, 50))
def test_whoever_asks_for_more_than_a_burst_waits_for_a_whole_one_and_pays_for_the_rest(
    steps, per_s
):
    quota, spent, now, total = Quota(1 / per_s, 2), 0.0, 0.0, 0
    for pause_s, operations in steps:
        now += pause_s
        before = max(spent, now)
        spent, wait_s = quota.reserve(spent, now, operations)
        total += operations
        assert wait_s <= before - now + 1e-6, "nobody waits for more than is spent"
        assert spent >= total / per_s - 1e-6


def test_processes_share_evenly():
    share = Quota(0.01, 60).share(4)
    assert (share.per_s, share.burst) == (pytest.approx(25), 15)
