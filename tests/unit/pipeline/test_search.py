"""Few calls find what is refused, wherever it stands: an adversary tries to prove otherwise."""

from __future__ import annotations

import copy
import itertools
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncpipe.pipeline.search import FEW, LONGEST_PASS, Search


def bound(records, refused):
    """k * (ceil(log2(n / k)) + 2), in integers."""
    steps = next(e for e in itertools.count() if refused << e >= records)
    return refused * (steps + 2)


def calls(row):
    """Search *row*, which holds True where a record is refused; return the calls that it takes.

    The first, with all of them, is one of them.
    """
    search, left, number = Search(len(row)), list(row), 1
    while left:
        step = search.next()
        assert 1 <= step.number <= len(left)
        assert not step.each or step.number <= LONGEST_PASS
        tried = left[: step.number]
        number += 1
        if step.each:
            search.settled(step.number, sum(tried))
        elif any(tried):
            assert step.number > 1
            search.failed(step.number)
            continue
        else:
            search.passed(step.number)
        del left[: step.number]
    return number


class Adversary:
    """Decides only when it has to where the refused ones stand, so that most calls are needed."""

    def __init__(self, records, refused):
        self._refused = refused
        self._records = records
        self._seen = {}

    def most_calls(self):
        return 1 + self._most(Search(self._records), self._records, 0)

    def _most(self, search, left, found):
        """The most calls that are still to come; None where that cannot be."""
        if not 0 <= self._refused - found <= left:
            return None
        if left == 0:
            return 0
        state = (left, search._known, found)
        if state not in self._seen:
            ends = [end for end in self._ends(search, left, found) if end is not None]
            self._seen[state] = 1 + max(ends) if ends else None
        return self._seen[state]

    def _ends(self, search, left, found):
        """What follows upon each answer to the next call."""
        step, known = search.next(), search._known
        if step.each:
            for refused in range(known >= step.number > 0, step.number + 1):
                after = copy.copy(search)
                after.settled(step.number, refused)
                yield self._most(after, left - step.number, found + refused)
            return
        passed, failed = copy.copy(search), copy.copy(search)
        passed.passed(step.number)
        yield self._most(passed, left - step.number, found)
        # It is not decided yet how many of them are refused, only that one is.
        failed.failed(step.number)
        yield self._most(failed, left, found) if found < self._refused else None


@pytest.mark.parametrize("records", [*range(2, 33), 48, 63, 64, 65])
def test_no_placement_takes_more_calls_than_the_bound(records):
    for refused in range(1, records + 1):
        assert Adversary(records, refused).most_calls() <= bound(records, refused), refused


@pytest.mark.parametrize(("records", "refused"), [(500, 5), (512, 8), (1000, 10), (2000, 6)])
def test_nor_does_it_in_a_large_batch(records, refused):
    assert Adversary(records, refused).most_calls() <= bound(records, refused)


@st.composite
def rows(draw):
    """Rows of every length, with refused records here and there or in heaps."""
    records = draw(st.integers(2, 2000))
    refused = draw(st.integers(1, min(records, draw(st.sampled_from([3, 20, 2000])))))
    chance = random.Random(draw(st.integers(0, 2**32)))
    heaps = draw(st.integers(1, refused))
    starts = sorted(chance.sample(range(records), heaps))
    row = [False] * records
    for place in itertools.islice(itertools.cycle(starts), refused):
        row[next(i % records for i in range(place, place + records) if not row[i % records])] = True
    return row


@given(rows())
@example([True] * 2000)
@example([True] * 20 + [False] * 1980)
@example([False] * 1980 + [True] * 20)
@example([False, True] * 1000)
@example([i % 8 == 7 for i in range(2000)])
@example([i % 100 == 0 for i in range(2000)])
def test_rows_of_every_kind_keep_within_the_bound(row):
    assert calls(row) <= bound(len(row), sum(row))


def test_one_percent_is_found_with_a_margin():
    chance = random.Random(4)
    for records in range(200, 2001, 100):
        needed = 0
        for _ in range(20):
            refused = set(chance.sample(range(records), records // 100))
            needed += calls([i in refused for i in range(records)])
        assert needed <= 0.95 * 20 * bound(records, records // 100)


def test_where_all_are_refused_few_passes_suffice():
    assert calls([True] * 2000) <= 200


def test_what_is_tried_stands_at_the_front_of_what_is_left():
    search = Search(1000)
    assert search.next().number < 500
    search.failed(search.next().number)
    assert search.next().number < 250


def test_a_few_are_tried_each_for_itself():
    for records in range(2, FEW + 1):
        assert Search(records).next().each


@pytest.mark.parametrize("records", [2, 5, 100, 2000])
def test_what_passes_although_it_was_refused_together_ends_the_search(records):
    assert calls([False] * records) <= bound(records, 1)


def tries_needed(records, bad, refused=0, number=1):
    """The fewest tries that surely tell which one of *records* is bad, when each is one call.

    *bad* are those that may be, *refused* is 1 when it has been refused alone. Every record passes
    in some try or is refused alone; the first try, with all of them, is counted.
    """
    if len(bad) == 1:
        return number + (1 - refused) + (len(records) > 1)
    return min(
        max(
            tries_needed(records - tried, bad - tried, 0, number + 1) if bad - tried else 0,
            tries_needed(records, bad & tried, int(len(tried) == 1), number + 1),
        )
        for size in range(1, len(records))
        for tried in map(frozenset, itertools.combinations(sorted(records), size))
        if bad & tried and (bad - tried or size == 1)
    )


@pytest.mark.parametrize(("records", "needed"), [(2, 3), (3, 4), (4, 5), (5, 5)])
def test_no_order_of_single_tries_keeps_within_the_bound(records, needed):
    everybody = frozenset(range(records))
    assert tries_needed(everybody, everybody) == needed
    assert (needed > bound(records, 1)) == (records == 4)
