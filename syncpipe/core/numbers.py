"""Exact addition for increments: integers and decimals, whose sum does not depend on the order.

Floats are not added: a float that is incremented becomes the decimal of its shortest text, because
float addition depends on the order and a record's state must not.
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Any

#: Largest decimal exponent and number of fraction digits: those of PostgreSQL's ``numeric``.
MAX_ADJUSTED, MAX_SCALE = 131_071, 16_383
_EXACT = decimal.Context(
    prec=MAX_ADJUSTED + MAX_SCALE + 10,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.Inexact, decimal.InvalidOperation],
)


def number(value: Any) -> int | Decimal:
    """Return *value* as an exact number; anything that is not a number counts as 0."""
    kind = type(value)
    if kind is int or kind is Decimal:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return Decimal(repr(value))
    return 0


def add(left: int | Decimal, right: int | Decimal) -> int | Decimal:
    """Return the exact sum: an int of two ints, otherwise a Decimal."""
    if type(left) is int and type(right) is int:
        return left + right
    return _EXACT.add(Decimal(left), Decimal(right))


def in_range(value: Decimal) -> bool:
    """Whether *value* is finite and fits PostgreSQL's ``numeric`` without rounding."""
    if not value.is_finite():
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MAX_SCALE and value.adjusted() <= MAX_ADJUSTED
