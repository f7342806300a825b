"""Batches that adapt beside batches of fixed sizes, on simulated time."""

from __future__ import annotations

import pytest

from tests.benchmarks.adaptive import CASES, rate

#: The others are far behind, see `python -m tests.benchmarks.adaptive`.
SIZES = (100, 300, 1000, 4000)


def ratio(name, *, seconds):
    """Return the speed in adapted batches by that in the best fixed ones."""
    fixed = [rate(CASES[name], size=size, seconds=seconds) for size in SIZES]
    return rate(CASES[name], size=None, seconds=seconds) / max(fixed)


@pytest.mark.parametrize(("name", "seconds"), [("fast", 2), ("slow", 120), ("distant", 120)])
def test_they_are_nearly_as_good_as_the_best_where_nothing_changes(name, seconds):
    assert ratio(name, seconds=seconds) >= 0.9


def test_they_are_better_than_each_where_something_does():
    assert ratio("changing", seconds=80) > 1.1
