"""Batches that adapt beside batches of fixed sizes, on simulated time."""

from __future__ import annotations

import pytest

from tests.benchmarks.adaptive import CASES, rate

#: The others are far behind, see `python -m tests.benchmarks.adaptive`.
FIXED = ((100, 4), (300, 4), (1000, 4), (4000, 4), (16_000, 1))


def ratio(name, *, seconds):
    """Return the speed in adapted batches by that in the best fixed ones."""
    fixed = [rate(CASES[name], fixed=each, seconds=seconds) for each in FIXED]
    return rate(CASES[name], seconds=seconds) / max(fixed)


@pytest.mark.parametrize(("name", "seconds"), [("fast", 2), ("slow", 120), ("distant", 120)])
def test_they_are_nearly_as_good_as_the_best_where_nothing_changes(name, seconds):
    assert ratio(name, seconds=seconds) >= 0.9


def test_they_are_better_than_each_where_something_does():
    assert ratio("changing", seconds=80) > 1.1
