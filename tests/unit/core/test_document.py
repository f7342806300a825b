"""Values as JSON text."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.carried import Carried
from syncpipe.core.codec import decode_plain, encode_fields
from syncpipe.core.document import (
    json_object,
    plain,
    read_number,
    tagged,
    untagged,
)
from syncpipe.core.lines import carried
from syncpipe.core.operation import Kind
from syncpipe.core.values import check_document
from syncpipe.errors import InvalidValue
from tests.unit.core import samples

_READERS = {
    "~": lambda text: "~" + text,
    "f": Decimal,
    "n": lambda text: int(text, 16),
    "b": base64.b64decode,
    "t": dt.datetime.fromisoformat,
    "d": dt.date.fromisoformat,
    "h": dt.time.fromisoformat,
    "u": uuid.UUID,
}


def _untagged(value: object) -> object:
    """Read the documented tags, as a consumer of documents would."""
    if isinstance(value, dict):
        return {name: _untagged(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if isinstance(value, str) and value.startswith("~"):
        return _READERS[value[1]](value[2:])
    return value


@given(samples.documents)
def test_every_value_comes_back_from_the_tagged_text(document):
    read = _untagged(json.loads(tagged(document)))

    assert samples.shape(read) == samples.shape(document)


@given(samples.documents)
def test_the_plain_text_is_json(document):
    assert json.loads(plain(document)).keys() == document.keys()


@pytest.mark.parametrize(
    ("value", "tagged_text", "plain_text"),
    [
        ("~home", '"~~home"', '"~home"'),
        (Decimal("12.50"), '"~f12.50"', "12.50"),
        (Decimal("1E+3"), '"~f1E+3"', "1000"),
        (b"hi", '"~baGk="', '"\\\\x6869"'),
        (dt.date(2024, 5, 1), '"~d2024-05-01"', '"2024-05-01"'),
        (1e22, "10000000000000000000000.0", "10000000000000000000000.0"),
        (1e-7, "0.0000001", "0.0000001"),
        (True, "true", "true"),
        (None, "null", "null"),
    ],
)
def test_the_documented_spelling(value, tagged_text, plain_text):
    assert tagged(value) == tagged_text
    assert plain(value) == plain_text


def test_an_integer_of_ten_thousand_digits_is_tagged_in_documents_and_decimal_in_columns():
    value = 10**10_000

    assert _untagged(json.loads(tagged(value))) == value
    assert plain(value) == "1" + "0" * 10_000


def test_stored_numbers_are_read_for_adding():
    huge = 10**10_000

    assert read_number(json.loads(tagged(huge))) == huge
    assert read_number(json.loads(tagged(-huge))) == -huge
    assert read_number("~f12.50") == Decimal("12.50")
    assert read_number("~~f1") == "~~f1"
    assert read_number(7) == 7


def test_members_are_joined_as_they_are():
    assert json_object({'a"': "[1]", "b": "null"}) == '{"a\\"":[1],"b":null}'


def test_an_integer_of_four_thousand_digits_is_found_among_values_that_msgspec_could_write():
    document = {"text": "x" * 10_000, "n": 10**3998, "m": 1}

    assert json.loads(tagged(document))["n"].startswith("~n0x")


@given(samples.documents)
def test_documents_are_read_back_as_they_were_written(document):
    assert untagged(json.loads(tagged(document))) == document
    exact = json.loads(tagged(document), parse_float=Decimal)
    # With types; text has no place for which of two equal times of day in a year is meant.
    assert repr(untagged(exact, exact=False)) == repr(document).replace(", fold=1", "")


@pytest.mark.parametrize("text", ["~", "~x1", "~fmany", "~t yesterday", "~b!", "~u1", "~nope"])
def test_what_only_begins_like_a_tag_is_a_text(text):
    assert untagged([text]) == [text]


_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=8)
)
_values = st.recursive(
    _scalars | samples.scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=4,
)


_FIELDS = bytes(16), int(Kind.UPSERT), "notes", "k", 1


def _sent(*documents: dict) -> list | None:
    """The data of operations with *documents* that were sent; None if one is not plain."""
    try:
        body = b"".join(encode_fields([*_FIELDS, document], simple=False) for document in documents)
    except (InvalidValue, UnicodeEncodeError):
        return None
    columns = decode_plain(body, len(documents))
    return columns and columns.data


@given(st.lists(st.dictionaries(st.text(max_size=3), _values, max_size=3), max_size=3))
def test_documents_that_are_carried_may_travel_and_are_read_as_others_are(documents):
    for document, data in zip(documents, _sent(*documents) or (), strict=False):
        assert data == document
        if isinstance(data, Carried):
            check_document(document)
            assert samples.shape(data.fields) == samples.shape(document)
            assert json.loads(data.text) == json.loads(tagged(document))


def test_what_is_none_is_not_carried():
    assert carried([{"a": None}, None, {}]) == [{"a": None}, None, {}]
    assert carried([{"a": "~"}, None, {}]) == [{"a": "~"}, None, {}]


def _nested(levels: int) -> dict:
    document: dict = {"n": 1}
    for _ in range(levels - 1):
        document = {"n": document}
    return document


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        7,
        0,
        0.0,
        -12.5,
        1e-5,
        1.5e-300,
        2**64 - 1,
        "",
        "one ~ two",
        "\\",
        "é",
        [],
        {},
        [1, {"b": ["c"]}],
        _nested(6),
    ],
)
def test_what_json_has_as_well_is_carried(value):
    for each in _sent({}, {"a": value}, {"a": value}):
        assert isinstance(each, Carried)
        assert each.fields in ({}, {"a": value})


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -math.inf,
        1e15,
        "~",
        "\0",
        "\ud800",
        10**4400,
        -(10**3998),
        b"",
        Decimal(1),
        dt.date(2024, 5, 1),
        uuid.UUID(int=1),
        (1, 2),
        {1: 2},
        {"\0": 2},
        [[math.nan]],
        [["~f1"]],
        [[{1: 2}]],
        _nested(7),
    ],
    ids=lambda value: str(value)[:12] if not isinstance(value, int) else "huge",
)
def test_among_documents_that_can_be_carried_one_that_cannot_is_found(value):
    data = _sent({"a": 1}, {"a": value}, {"a": 1})
    assert data is None or list(map(type, data)) == [Carried, dict, Carried]
