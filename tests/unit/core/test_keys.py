"""One canonical text per key."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.collection import Collection, KeyType
from syncpipe.core.keys import (
    MAX_KEY_BYTES,
    canonical_key,
    canonical_keys,
    check_key,
    check_key_fields,
    check_keys,
    key_values,
)
from syncpipe.errors import InvalidKey
from tests.unit.core import samples

BY_TEXT = Collection("notes", ("crm",))
BY_INT = Collection("orders", ("crm",), key_types=(KeyType.INT,))
BY_UUID = Collection("people", ("crm",), key_types=(KeyType.UUID,))
BY_THREE = Collection(
    "lines",
    ("crm",),
    key=("shop", "number", "line"),
    key_types=(KeyType.STR, KeyType.INT, KeyType.UUID),
)
SOME_UUID = uuid.UUID("0190a5b4-7c00-7000-8000-00000000abcd")
texts = samples.texts.filter(bool)
int64 = st.integers(-(2**63), 2**63 - 1)


@given(texts, int64, st.uuids())
def test_the_parts_come_back_from_the_canonical_text(shop, number, line):
    text = canonical_key(BY_THREE, (shop, number, line))

    assert key_values(BY_THREE, text) == (shop, number, line)


def _refusal(check, collection, text):
    try:
        check(collection, text)
    except InvalidKey as error:
        return error.message
    return None


_parts = st.one_of(
    texts,
    st.text("0123456789-", max_size=20),
    int64.map(str),
    st.uuids().map(str),
    st.uuids().map(lambda each: str(each).upper()),
    st.uuids().map(lambda each: each.hex),
    st.sampled_from(["", "~0", "~1", "~", "0", "-0", "00", str(2**63), "x" * MAX_KEY_BYTES]),
)


@given(st.lists(_parts, min_size=1, max_size=4).map("/".join))
def test_the_fast_check_refuses_the_same_keys_with_the_same_words(text):
    for collection in (BY_TEXT, BY_INT, BY_UUID, BY_THREE):
        assert _refusal(check_key, collection, text) == _refusal(key_values, collection, text)


_ONE_KEY = Collection("shops", ("crm",))


@given(st.lists(_parts | st.sampled_from(["", "x" * 513, "a\0", "\u00e9"]), min_size=1, max_size=4))
def test_many_keys_are_refused_if_one_of_them_is(keys):
    def refused(check, *given):
        try:
            check(_ONE_KEY, *given)
        except InvalidKey:
            return True
        return False

    assert refused(check_keys, keys) is any(refused(check_key, key) for key in keys)


_any_key = (
    _parts
    | int64
    | st.uuids()
    | st.tuples(_parts)
    | st.tuples(_parts, int64, st.uuids())
    | st.sampled_from([None, True, 1.0, b"k", [], (), "a\0", "\ud800", "x" * 513, "\u00e9" * 257])
)


@given(st.lists(_any_key, min_size=1, max_size=3))
def test_the_texts_of_many_keys_are_those_of_each(keys):
    def found(texts, *given):
        try:
            return list(texts(*given))
        except InvalidKey as error:
            return error.message

    for collection in (BY_TEXT, BY_INT, BY_UUID, BY_THREE):
        expected = found(lambda of: [canonical_key(of, key) for key in keys], collection)
        assert found(canonical_keys, collection, keys) == expected


@given(st.tuples(texts, int64, st.uuids()), st.tuples(texts, int64, st.uuids()))
def test_different_keys_have_different_texts(one, two):
    assert (canonical_key(BY_THREE, one) == canonical_key(BY_THREE, two)) == (one == two)


def test_separators_inside_parts_are_escaped():
    assert canonical_key(BY_THREE, ("a/b~c", 7, SOME_UUID)) == f"a~1b~0c/7/{SOME_UUID}"
    assert canonical_key(BY_TEXT, "a/b~c") == "a/b~c"


@pytest.mark.parametrize(
    ("collection", "one", "other"),
    [(BY_INT, 7, "7"), (BY_INT, -7, "-7"), (BY_UUID, SOME_UUID, str(SOME_UUID))],
)
def test_the_text_of_a_value_is_the_same_key(collection, one, other):
    assert canonical_key(collection, one) == canonical_key(collection, other)


@pytest.mark.parametrize("key", [1, None, b"x", "", "a\0b", "\ud800", True, 1.0, ["x"]])
def test_what_is_no_text_key_is_refused(key):
    with pytest.raises(InvalidKey, match=r"notes key part 'id'|NUL|surrogate"):
        canonical_key(BY_TEXT, key)


@pytest.mark.parametrize(
    "key",
    ["07", "+7", " 7", "7 ", "-0", "", "x", "\u0667", "7.0", 7.0, True, 2**63, str(2**63), None],
)
def test_other_spellings_of_integers_are_refused(key):
    with pytest.raises(InvalidKey):
        canonical_key(BY_INT, key)


@pytest.mark.parametrize(
    "key", [str(SOME_UUID).upper(), SOME_UUID.hex, f"{{{SOME_UUID}}}", "x", 7, SOME_UUID.bytes]
)
def test_other_spellings_of_uuids_are_refused(key):
    with pytest.raises(InvalidKey):
        canonical_key(BY_UUID, key)


@pytest.mark.parametrize(
    "key", ["a", ("a",), ("a", 1), ("a", 1, SOME_UUID, 2), ["a", 1, SOME_UUID]]
)
def test_a_key_with_another_number_of_parts_is_refused(key):
    with pytest.raises(InvalidKey, match="shop, number, line"):
        canonical_key(BY_THREE, key)


def test_a_key_longer_than_the_limit_is_refused():
    assert canonical_key(BY_TEXT, "ä" * (MAX_KEY_BYTES // 2))
    with pytest.raises(InvalidKey, match="longer"):
        canonical_key(BY_TEXT, "ä" * (MAX_KEY_BYTES // 2) + "x")


@pytest.mark.parametrize(
    ("collection", "text"),
    [
        (BY_INT, "07"),
        (BY_UUID, SOME_UUID.hex),
        (BY_THREE, "a/7"),
        (BY_THREE, f"a~/7/{SOME_UUID}"),
        (BY_THREE, f"a~2/7/{SOME_UUID}"),
        (BY_TEXT, ""),
    ],
)
def test_a_text_that_is_not_canonical_is_refused_on_arrival(collection, text):
    with pytest.raises(InvalidKey):
        key_values(collection, text)


@pytest.mark.parametrize("shop", ["a", "a/b~c"])
def test_key_fields_that_agree_with_the_key_are_accepted_in_any_accepted_spelling(shop):
    key = canonical_key(BY_THREE, (shop, 7, SOME_UUID))

    check_key_fields(BY_THREE, key, {"total": 1})
    check_key_fields(BY_THREE, key, {"shop": shop, "number": 7, "line": SOME_UUID})
    check_key_fields(BY_THREE, key, {"number": "7", "line": str(SOME_UUID)})


@pytest.mark.parametrize(
    "fields", [{"shop": "b"}, {"number": 8}, {"number": None}, {"line": "x"}, {"number": 7.0}]
)
def test_a_key_field_that_differs_from_the_key_is_refused(fields):
    key = canonical_key(BY_THREE, ("a", 7, SOME_UUID))

    with pytest.raises(InvalidKey, match=next(iter(fields))):
        check_key_fields(BY_THREE, key, fields)


def test_a_key_too_huge_to_be_written_is_refused_like_any_other():
    with pytest.raises(InvalidKey, match="a huge int"):
        canonical_key(Collection("counts", ("crm",)), 10**5000)
