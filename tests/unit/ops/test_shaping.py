from __future__ import annotations

from decimal import Decimal

import pytest

from syncpipe.core.operation import Kind
from syncpipe.errors import InvalidKey, InvalidValue, InvalidVersion
from syncpipe.ops.shaping import Change, Shape

UPSERT = Shape(Kind.UPSERT, ("id",))


def test_the_fields_of_the_key_are_taken_out_of_the_data():
    assert UPSERT.change({"id": "1", "a": 2}) == Change("1", {"a": 2}, None)


def test_a_key_of_several_parts_is_a_tuple_in_the_order_that_was_asked_for():
    shape = Shape(Kind.PATCH, ("b", "a"))
    assert shape.change({"a": 1, "b": 2, "c": 3}) == Change((2, 1), {"c": 3}, None)


def test_a_record_without_its_key_is_refused():
    with pytest.raises(InvalidKey, match="'id'"):
        UPSERT.change({"a": 1})


def test_a_delete_has_no_data():
    assert Shape(Kind.DELETE, ("id",)).change({"id": "1", "a": 2}) == Change("1", None, None)


@pytest.mark.parametrize("version", [7, "7"])
def test_the_version_is_taken_out_of_the_data_and_may_be_text(version):
    shape = Shape(Kind.UPSERT, ("id",), "v")
    assert shape.change({"id": "1", "v": version, "a": 2}) == Change("1", {"a": 2}, 7)


@pytest.mark.parametrize("version", [None, "", "x", "1.5", 1.5, True, [1]])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(InvalidVersion, match="'v'"):
        Shape(Kind.UPSERT, ("id",), "v").change({"id": "1", "v": version})


def test_amounts_in_text_become_numbers_and_empty_ones_nothing():
    shape = Shape(Kind.INCREMENT, ("id",))
    fields = {"id": "1", "a": "-3", "b": "2.50", "c": None, "d": 4, "e": "1e3", "f": ".5"}
    amounts = shape.change(fields).data
    assert amounts == {
        "a": -3,
        "b": Decimal("2.50"),
        "d": 4,
        "e": Decimal("1E3"),
        "f": Decimal(".5"),
    }
    assert type(amounts["a"]) is int


@pytest.mark.parametrize("amount", ["x", "1,5", "0x10", "nan", "1_000", "."])
def test_text_that_is_no_number_cannot_be_added(amount):
    with pytest.raises(InvalidValue, match="not a number to add"):
        Shape(Kind.INCREMENT, ("id",)).change({"id": "1", "a": amount})
