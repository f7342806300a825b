"""What may travel, and how everything else is refused."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal

import pytest
from hypothesis import given

from syncpipe.core.values import check_amounts, check_document, check_patch
from syncpipe.errors import InvalidValue
from tests.unit.core import samples


class _Text(str):
    __slots__ = ()


class _Level(enum.IntEnum):
    HIGH = 1


def _nested(levels: int) -> dict:
    document: dict = {}
    for _ in range(levels - 1):
        document = {"n": document}
    return document


@given(samples.documents)
def test_every_declared_type_may_travel(document):
    check_document(document)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "finite"),
        (float("inf"), "finite"),
        (Decimal("NaN"), "finite"),
        (Decimal("Infinity"), "finite"),
        (Decimal("1E+200000"), "range"),
        (Decimal("1E-20000"), "range"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (dt.datetime(2024, 1, 1), "time zone"),  # noqa: DTZ001
        ((1, 2), "tuple"),
        ({1, 2}, "set"),
        (_Text("x"), "_Text"),
        (_Level.HIGH, "_Level"),
        (1j, "complex"),
        (object(), "object"),
        ({1: 2}, "not a str"),
        ({"a\0": 2}, "NUL"),
        ({_Text("a"): 2}, "not a str"),
    ],
)
def test_a_value_that_cannot_travel_is_refused_with_its_path(value, reason):
    with pytest.raises(InvalidValue, match=reason) as refusal:
        check_document({"lines": [0, {"price": value}]})

    assert "data.lines[1].price" in str(refusal.value)


def test_64_levels_may_travel_and_65_may_not():
    check_document(_nested(64))
    with pytest.raises(InvalidValue, match="64 levels"):
        check_document(_nested(65))


def test_a_document_deeper_than_the_interpreter_can_recurse_is_refused_in_the_same_way():
    with pytest.raises(InvalidValue, match="64 levels"):
        check_document(_nested(100_000))


@pytest.mark.parametrize("document", [None, [], "text", 1, _Text("x")])
def test_data_that_is_no_dict_is_refused(document):
    with pytest.raises(InvalidValue, match="must be a dict"):
        check_document(document)


def test_an_empty_document_may_be_upserted_but_a_patch_and_an_increment_name_something():
    check_document({})
    with pytest.raises(InvalidValue, match="at least one field"):
        check_patch({})
    with pytest.raises(InvalidValue, match="at least one field"):
        check_amounts({})


def test_integers_and_decimals_may_be_added():
    check_amounts({"stock": 10**400, "total": Decimal("-0.10")})


@pytest.mark.parametrize("amount", [1.5, True, "1", None, [1], {"n": 1}])
def test_anything_else_may_not_be_added(amount):
    with pytest.raises(InvalidValue, match=r"data\.stock.*increments take int and Decimal"):
        check_amounts({"stock": amount})


def test_a_refusal_says_what_to_do():
    with pytest.raises(InvalidValue, match="aware datetime"):
        check_document({"a": (1,)})


@pytest.mark.parametrize("value", [None, True, 1, 10**40, 0.5, "é", b"\0", [1, {"a": []}], {}])
def test_what_messagepack_knows_is_simple(value):
    assert check_document({"n": 1, "value": value})


@pytest.mark.parametrize(
    "value",
    [
        Decimal(1),
        uuid.UUID(int=1),
        dt.date(2024, 1, 1),
        dt.time(1),
        dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    ],
)
def test_what_holds_anything_else_is_not(value):
    assert not check_document({"value": value, "n": 1})
    assert not check_document({"lines": [1, {"value": value}, 2], "n": 1})
