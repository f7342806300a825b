"""Members of a body, each of its kind."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.ui.body import MAX_BYTES, MAX_TEXT, Body
from syncpipe.ui.refusal import Refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def body(**members):
    return Body(json.dumps(members).encode())


def test_members_are_taken_one_by_one():
    found = body(a="x", b=True, c=3, d=0.5, e={"n": 1.10}, f=["x", "y"])
    assert (found.text("a"), found.flag("b"), found.whole("c"), found.number("d")) == (
        "x",
        True,
        3,
        0.5,
    )
    assert found.fields("e") == {"n": Decimal("1.1")}
    assert found.texts("f") == {"x", "y"}
    found.end()


def test_what_is_not_said_has_its_default():
    found = body(c=None)
    assert (found.text("a"), found.flag("b"), found.whole("c"), found.number("d", 1.5)) == (
        "",
        False,
        None,
        1.5,
    )
    assert (found.fields("e"), found.texts("f")) == ({}, frozenset())


def test_large_numbers_stay_exact():
    found = Body(b'{"set": {"id": 117683911909376044123, "price": 0.1000000000000000000001}}')
    assert found.fields("set") == {
        "id": 117683911909376044123,
        "price": Decimal("0.1000000000000000000001"),
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x", b"[]", b"null", b"1", b'"x"', b"\xff{}", b'{"a": NaN}', b'{"a": Infinity}',
        b"{" * 10_000, b"[" * 100_000, b'{"\\u0000": 1}', b'{"a": ' + b"9" * 5_000 + b"}",
    ],
)  # fmt: skip
def test_what_is_no_object_is_refused(raw):
    with pytest.raises(Refusal, match="400"):
        Body(raw)


def test_what_is_too_long_is_refused():
    with pytest.raises(Refusal, match="413"):
        Body(b" " * (MAX_BYTES + 1))
    with pytest.raises(Refusal, match="400"):
        body(a="x" * (MAX_TEXT + 1)).text("a")


@pytest.mark.parametrize("value", [1, None, ["x"], {"x": 1}, True, "\0", "\ud800", "a\udfffb"])
def test_what_is_no_text_is_refused(value):
    with pytest.raises(Refusal, match="400"):
        body(a=value).text("a")


@pytest.mark.parametrize("value", [-1, 2**63, "1", True, 1.5, [], {}, -0.5])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(Refusal, match="400"):
        body(a=value).whole("a")


@pytest.mark.parametrize("value", [-1, 2**63, "1", True, [], {}, -0.5])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(Refusal, match="400"):
        body(a=value).number("a")


def test_a_number_beyond_all_floats_is_refused():
    with pytest.raises(Refusal, match="400"):
        Body(b'{"a": 1e999999}').number("a")


def test_what_nobody_wants_is_named():
    with pytest.raises(Refusal, match="reson"):
        body(reson="x").end()


@given(JSON, st.sampled_from(["text", "flag", "whole", "number", "fields", "texts"]))
def test_any_value_is_taken_or_refused(value, kind):
    with contextlib.suppress(Refusal):
        getattr(Body(json.dumps({"a": value}).encode()), kind)("a")
