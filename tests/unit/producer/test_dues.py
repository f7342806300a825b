"""Versions of instants to come."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.version import at_milliseconds, milliseconds
from syncpipe.producer.dues import Dues


def test_the_first_version_is_that_of_the_instant_and_the_next_are_above_it():
    dues = Dues()
    versions = [dues.version(1_000, now_ms=0, after=0) for _ in range(3)]
    assert versions == [at_milliseconds(1_000) + n for n in range(3)]


def test_what_it_builds_on_wins_when_it_is_larger():
    dues = Dues()
    seen = at_milliseconds(1_700)
    assert dues.version(1_000, now_ms=0, after=seen) == seen + 1
    assert dues.version(1_000, now_ms=0, after=0) == seen + 2
    assert dues.version(1_001, now_ms=0, after=5) == at_milliseconds(1_001)


_CALLS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 12)), max_size=200)


@given(_CALLS, st.integers(1, 20))
def test_calls_for_one_instant_keep_their_order_however_little_is_remembered(calls, most):
    dues, now_ms, last = Dues(most), 0, {}
    for passed_ms, ahead_ms in calls:
        now_ms += passed_ms
        due_ms = now_ms + ahead_ms
        version = dues.version(due_ms, now_ms=now_ms, after=0)
        assert version > last.get(due_ms, 0)
        assert milliseconds(version) == due_ms
        last[due_ms] = version


def test_a_constant_delay_never_moves_versions_off_their_due_time():
    dues = Dues(most=10)
    for now_ms in range(5_000):
        assert dues.version(now_ms + 1_000, now_ms=now_ms, after=0) == at_milliseconds(
            now_ms + 1_000
        )
