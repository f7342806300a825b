"""Batches that adapt beside batches of fixed sizes, on simulated time."""

from __future__ import annotations

import pytest

from tests.benchmarks.adaptive import CASES, rate

#: The others are far behind, see `python -m tests.benchmarks.adaptive`.
SIZES = (100, 300, 1000, 4000)


def ratio(name, *fixed, seconds):
    """Return the speed in adapted batches by that in the best of *fixed* ones."""
    best = max(rate(CASES[name], fixed=each, seconds=seconds) for each in fixed)
    return rate(CASES[name], seconds=seconds) / best


@pytest.mark.parametrize(
    ("name", "seconds", "size", "number"),
    [
        ("fast", 4, 4000, 4),
        ("slow", 120, 4000, 4),
        ("distant", 120, 4000, 4),
        ("conflicts", 30, 300, 4),
        ("serial", 60, 4000, 4),
        ("crowded", 200, 4000, 1),
    ],
)
def test_they_are_nearly_as_good_as_the_best_where_nothing_changes(name, seconds, size, number):
    assert ratio(name, (size, number), seconds=seconds) >= 0.9


def test_they_are_better_than_each_where_something_does():
    assert ratio("changing", *((size, 4) for size in SIZES), seconds=80) > 1.1
