"""What late batches tell of those that would be smaller."""

from __future__ import annotations

import pytest

from syncpipe.resilience.latency import Latency

LIMIT_S = 2.0


@pytest.fixture
def latency():
    return Latency(LIMIT_S)


def test_one_late_batch_tells_nothing_nor_do_two_of_about_a_size(latency):
    assert latency.late(0, 1000, 2.6) is None
    assert latency.late(0, 501, 2.6) is None
    assert latency.limit_s(0) == LIMIT_S
    assert not latency.known(0)


@pytest.mark.parametrize("sizes", [(1000, 500), (500, 1000)])
def test_two_that_differ_tell_what_one_of_nothing_would_take(latency, sizes):
    assert [latency.late(0, size, 2.5 + 1e-4 * size) for size in sizes] == [None, 1000]
    assert latency.limit_s(0) == pytest.approx(3 * 2.5)


def test_where_a_smaller_one_can_be_in_time_the_limit_stays(latency):
    assert [latency.late(0, size, 0.6 + 5e-3 * size) for size in (1000, 500)] == [None] * 2
    assert latency.limit_s(0) == LIMIT_S
    assert latency.known(0)


def test_a_smaller_one_that_took_longer_tells_of_no_less_than_a_larger_one(latency):
    latency.late(0, 1000, 3.0)
    assert latency.late(0, 100, 5.0) == 1000
    assert latency.limit_s(0) == pytest.approx(3 * 3.0)


def test_a_smaller_one_in_time_tells_as_much(latency):
    latency.late(0, 1000, 2.1)
    latency.in_time(0, 900, 1.9)
    assert not latency.known(0)
    latency.in_time(0, 500, 1.9)
    assert latency.limit_s(0) == pytest.approx(3 * 1.7)


def test_what_they_told_is_looked_at_again(latency):
    latency.late(0, 1000, 2.5)
    latency.late(0, 500, 2.5)
    assert latency.limit_s(119) > LIMIT_S
    assert latency.limit_s(120) == LIMIT_S


def test_it_is_believed_no_longer_when_others_are_quicker(latency):
    latency.late(0, 1000, 10.0)
    latency.late(0, 500, 10.0)
    limits = []
    for _ in range(40):
        latency.in_time(1, 500, 0.5)
        limits.append(latency.limit_s(1))
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == LIMIT_S
