"""Exact sums."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.numbers import add, in_range, number

exact = st.one_of(
    st.integers(-(10**40), 10**40),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
)


@given(st.lists(exact, min_size=2, max_size=4))
def test_a_sum_does_not_depend_on_the_order(amounts):
    sums = []
    for order in itertools.permutations(amounts):
        total: int | Decimal = 0
        for amount in order:
            total = add(total, amount)
        sums.append(total)

    assert len(set(sums)) == 1


@given(st.integers(), st.integers())
def test_integers_stay_integers(one, two):
    assert add(one, two) == one + two
    assert type(add(one, two)) is int


def test_no_digit_is_lost():
    assert str(add(Decimal("1E+100"), Decimal("1E-100"))).strip("0") == "1" + "0" * 100 + "." + (
        "0" * 99 + "1"
    )


@pytest.mark.parametrize("value", [None, True, "7", b"7", [7], {"n": 7}])
def test_what_is_no_number_counts_as_zero(value):
    assert number(value) == 0
    assert type(number(value)) is int


def test_a_float_counts_as_its_shortest_text():
    assert number(0.1) == Decimal("0.1")
    assert add(number(0.1), Decimal("0.2")) == Decimal("0.3")


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("0", True),
        ("9.99E+131071", True),
        ("1E+131072", False),
        ("1E-16383", True),
        ("1E-16384", False),
        ("NaN", False),
        ("sNaN", False),
        ("-Infinity", False),
    ],
)
def test_the_range_is_that_of_numeric(value, fits):
    assert in_range(Decimal(value)) is fits
