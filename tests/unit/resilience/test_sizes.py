from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.resilience.sizes import FLOOR, End, Run, Sizes

RUNS = st.builds(
    Run,
    began=st.floats(0, 100),
    operations=st.integers(1, 50_000),
    seconds=st.floats(0, 1000),
    end=st.sampled_from(End),
    failed=st.integers(0, 200),
    full=st.booleans(),
    running=st.integers(1, 16),
    waiting=st.booleans(),
)


class Target:
    """Takes batches, one after the other, of the size that is asked for."""

    def __init__(self, *, batches=4, limit_s=2.0):
        self.sizes = Sizes(operations=16_000, batches=batches, limit_s=limit_s, call=2000)
        self.now = 0.0

    def take(
        self, seconds=0.1, end=End.TAKEN, *, operations=None, full=True, crowded=False, **options
    ):
        began = self.now
        self.now += seconds
        number = operations or self.sizes.operations
        options |= {"running": self.sizes.batches, "waiting": True} if crowded else {}
        self.sizes.ended(self.now, Run(began, number, seconds, end, full=full, **options))
        return self.sizes.operations

    def grow(self):
        """Take batches until nothing can be larger."""
        for _ in range(8):
            self.take(crowded=True)
        assert self.both == (16_000, 4)
        return self

    @property
    def both(self):
        return self.sizes.operations, self.sizes.batches


@pytest.fixture
def target():
    return Target().grow()


@given(st.lists(st.tuples(st.floats(0, 10), RUNS), max_size=60), st.integers(1, 16))
def test_sizes_stay_within_their_limits_whatever_happens(runs, batches):
    target = Target(batches=batches)
    for pause_s, run in runs:
        target.now += pause_s
        target.sizes.ended(target.now, run)
        target.sizes.takes(run.operations)
        assert FLOOR <= target.sizes.operations <= 16_000
        assert 1 <= target.sizes.batches <= batches


@given(st.lists(RUNS, max_size=60))
def test_a_target_that_is_well_again_gets_all_it_may(runs):
    target = Target()
    for run in runs:
        target.sizes.ended(100.0, run)
    target.now = 200.0
    for _ in range(400):
        target.take(seconds=0.5, crowded=True)
    assert target.both == (16_000, 4)


@given(st.floats(0, 1.9), st.floats(1e-5, 1))
def test_batches_converge_to_what_the_target_takes_within_the_limit(call_s, operation_s):
    target = Target()
    for _ in range(300):
        target.take(seconds=call_s + target.sizes.operations * operation_s)
    size, limit_s = target.sizes.operations, max(2.0, 3 * call_s)
    step = 2000 if limit_s > 2 and size >= 2000 else 1
    assert call_s + (size - 1) * operation_s < 1.03 * limit_s or size <= 2 * FLOOR
    assert call_s + (size + step) * operation_s > 1.9 or size == 16_000


def test_the_first_batch_is_small_enough_for_a_slow_target_and_the_next_twice_as_large():
    target = Target()
    assert [target.sizes.operations, *(target.take() for _ in range(5))] == [
        1000,
        2000,
        4000,
        8000,
        16_000,
        16_000,
    ]


def test_a_batch_that_was_not_full_says_nothing():
    target = Target()
    for _ in range(9):
        target.take(full=False)
    assert target.sizes.operations == 1000


def test_one_that_was_smaller_than_allowed_does_not_show_that_more_is_taken():
    target = Target()
    assert target.take(operations=500) == 1000


def test_an_envelope_larger_than_a_batch_is_measured_by_its_parts():
    target = Target()
    assert target.take(seconds=16.0, operations=8000) == 1000
    assert target.take(seconds=60.0, operations=8000) == 500
    assert target.take(seconds=8.0, operations=8000) == 1000


def test_the_largest_envelope_is_applied_in_few_calls_however_small_batches_are(target):
    while target.sizes.operations > FLOOR:
        target.take(seconds=3, end=End.TOO_MUCH)
    assert [target.sizes.together(each) for each in (1, 320, 500, 10_000)] == [10, 10, 16, 313]


def test_batches_that_take_as_long_whatever_their_size_do_not_become_ever_smaller():
    target = Target()
    sizes = [target.take(seconds=2.5 + 1e-4 * target.sizes.operations) for _ in range(200)]
    assert min(sizes) > 300
    assert sorted(sizes)[len(sizes) // 2] == 16_000


def test_nor_do_they_stay_small_after_an_outage():
    target = Target()
    target.take(end=End.DOWN)
    assert target.sizes.operations == FLOOR
    sizes = [target.take(seconds=2.5 + 1e-4 * target.sizes.operations) for _ in range(20)]
    assert sizes[-1] == 16_000


def test_when_smaller_ones_are_quicker_again_the_limit_is_what_it_was():
    target = Target()
    for _ in range(20):
        target.take(seconds=2.5 + 1e-4 * target.sizes.operations)
    for _ in range(90):
        target.take(seconds=0.1 + 1e-3 * target.sizes.operations)
    assert target.sizes.operations == pytest.approx(1900, rel=0.05)


def test_one_that_is_far_smaller_than_allowed_is_not_late_for_its_size(target):
    target.take(seconds=30, operations=1, full=False)
    target.take(seconds=30, operations=1, full=False, failed=1)
    assert target.both == (16_000, 4)
    assert target.take(seconds=4, operations=4000, full=False) == 2000


def test_few_failures_change_nothing(target):
    for _ in range(20):
        target.take(failed=1)
        for _ in range(49):
            target.take()
    assert target.both == (16_000, 4)


def test_failures_that_cost_more_than_calls_make_these_smaller(target):
    due = 0.0
    for _ in range(400):
        size = min(2000, target.sizes.operations)
        due += 1e-3 * size
        failed = int(due)
        due -= failed
        target.take(seconds=0.01 + 1e-4 * size + 0.005 * size * failed, failed=failed)
    assert 25 < target.sizes.operations < 90
    assert target.sizes.batches == 4


def test_failures_that_do_not_depend_on_size_do_not_lead_all_the_way_down(target):
    sizes = [
        target.take(seconds=0.1 + 1e-4 * target.sizes.operations, failed=number % 2)
        for number in range(3000)
    ]
    assert min(sizes) > 10 * FLOOR


def test_a_batch_for_which_the_target_was_too_busy_makes_calls_half_as_large(target):
    assert target.take(seconds=6, end=End.TOO_MUCH, failed=12) == 1000


def test_what_failed_and_took_long_counts_at_once(target):
    assert target.take(seconds=6, failed=1) < 2000


def test_the_smallest_batches_become_fewer(target):
    while target.sizes.operations > FLOOR:
        target.take(seconds=3, end=End.TOO_MUCH)
    assert target.both == (FLOOR, 4)
    target.take(end=End.TOO_MUCH, seconds=3)
    assert target.both == (FLOOR, 2)


def test_what_began_before_something_shrank_counts_no_more(target):
    for _ in range(4):
        target.sizes.ended(target.now + 6, Run(target.now, 16_000, 6.0, End.TOO_MUCH))
    assert target.sizes.operations == 1000


def test_a_target_that_counts_requests_gets_fewer_at_once_and_none_smaller(target):
    target.take(end=End.THROTTLED)
    target.take()
    target.take(end=End.THROTTLED)
    assert target.both == (16_000, 1)


def test_a_target_that_takes_only_smaller_requests_gets_what_it_took(target):
    target.take(end=End.THROTTLED)
    target.sizes.takes(8)
    target.take(end=End.THROTTLED)
    sizes = [target.sizes.operations, *(target.take() for _ in range(4))]
    assert sizes == [10, 20, 40, 80, 160]
    target.take(operations=320, end=End.THROTTLED)
    assert target.sizes.operations == 80
    assert target.sizes.batches == 2


def test_after_an_outage_batches_begin_small_and_double_to_where_they_were(target):
    for _ in range(5):
        target.take(end=End.DOWN)
    sizes = [target.sizes.operations, *(target.take() for _ in range(11))]
    assert sizes[:4] == [10, 20, 40, 80]
    assert sizes[-1] == 16_000


def test_requests_so_large_that_each_looks_like_an_outage_become_smaller(target):
    for _ in range(8):
        target.take(operations=16_000, end=End.DOWN)
        while target.sizes.operations < 8000 and target.take() < 3000:
            pass
        target.take(end=End.DOWN)
    assert target.sizes.operations == FLOOR
    sizes = [target.take() for _ in range(9)]
    assert sizes[-1] < 4000


def test_what_has_nothing_to_do_with_sizes_changes_nothing(target):
    target.take(seconds=100, end=End.SILENT, failed=9)
    assert target.both == (16_000, 4)


def test_batches_at_once_grow_where_something_waits_for_a_place(target):
    target.take(end=End.THROTTLED)
    assert target.sizes.batches == 2
    for _ in range(5):
        target.take(seconds=0.5)
    assert target.sizes.batches == 2
    for _ in range(5):
        target.take(seconds=0.5, crowded=True)
    assert target.sizes.batches == 4
