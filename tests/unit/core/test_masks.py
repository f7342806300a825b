from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.masks import Mask, MaskRule, Masks, revealed
from tests.unit.core.samples import documents

KEY = bytes(range(32))
#: A text that is looked for in everything that is shown.
CANARY = "canary-7Q2x"


def mask(**rules):
    return Mask({name: MaskRule(rule) for name, rule in rules.items()}, KEY)


def test_nothing_is_shown_without_a_rule():
    data = {"a": CANARY, "b": [CANARY], "c": None, "d": 5, CANARY: 1}
    assert mask().masked(data) == dict.fromkeys(data, "***")


def test_each_field_has_its_rule_and_the_star_stands_for_the_others():
    rules = {"a": "show", "b": "redact", "*": "partial"}
    data = {"a": "0123456789ab", "b": "0123456789ab", "c": "0123456789ab"}
    shown = Mask({name: MaskRule(rule) for name, rule in rules.items()}, KEY)
    assert shown.masked(data) == {"a": "0123456789ab", "b": "***", "c": "***89ab"}
    assert [shown.shows(name) for name in "abc"] == [True, False, False]


@pytest.mark.parametrize(
    "value", ["", "short", "0123456789a", 123456789012345, None, [CANARY * 2], {"x": CANARY * 2}]
)
def test_only_texts_that_are_long_enough_are_shown_in_part(value):
    assert mask(x="partial").masked({"x": value}) == {"x": "***"}
    assert mask(x="partial").masked({"x": "ann@example.org"}) == {"x": "***.org"}


def test_equal_values_have_equal_hashes_and_others_have_not():
    values = [
        *(None, True, 1, 1.0, "1", Decimal(1), b"1", "", 0, [1], [[1]], {"a": 1, "b": 2}, 2**70),
        *(dt.date(2026, 1, 1), uuid.UUID(int=1), "~d2026-01-01", CANARY),
    ]
    hashes = [mask(x="hash").masked({"x": value})["x"] for value in values]
    assert len(set(hashes)) == len(values)
    assert all(len(each) == 17 and each.startswith("#") for each in hashes)
    again = mask(y="hash").masked({"y": {"b": 2, "a": 1}})["y"]
    assert again == hashes[values.index({"a": 1, "b": 2})]
    other = Mask({"x": MaskRule.HASH}, bytes(32)).masked({"x": CANARY})["x"]
    assert other not in hashes


def test_what_is_shown_keeps_big_integers_and_tags():
    data = {"n": 2**80, "huge": 10**5000, "d": Decimal("12.50"), "t": "~x", "f": 1e300, "b": b"\1"}
    shown = json.loads(json.dumps(mask(**dict.fromkeys(data, "show")).masked(data)))
    assert shown["n"] == 2**80
    assert int(shown["huge"].removeprefix("~n"), 16) == 10**5000
    assert (shown["d"], shown["t"], shown["f"], shown["b"]) == ("~f12.50", "~~x", 1e300, "~bAQ==")


def test_what_no_client_sends_is_no_crash():
    deep = []
    for _ in range(5000):
        deep = [deep]
    for strange in (deep, object(), {"x": {1, 2}}, float("inf"), "\ud800", {1: CANARY}):
        for rule in MaskRule:
            json.dumps(Mask({"*": rule}, KEY).masked({"x": strange}))
    assert revealed(deep) == "*** (list)"


@given(documents, st.sampled_from(["redact", "hash", "partial"]))
def test_nothing_that_is_masked_is_written(data, rule):
    shown = Mask({"*": MaskRule(rule)}, KEY).masked({"x": [CANARY, data], "y": {CANARY: data}})
    assert CANARY not in json.dumps(shown)


@given(documents)
def test_what_is_shown_is_ready_for_json(data):
    shown = Mask({"*": MaskRule.SHOW}, KEY).masked(data)
    assert json.loads(json.dumps(shown)) == shown


def test_each_collection_has_its_mask_and_others_show_nothing():
    masks = Masks({"orders": {"a": MaskRule.SHOW}}, KEY)
    assert masks.of("orders").shows("a")
    for other in ("invoices", None, ""):
        assert not masks.of(other).shows("a")


def test_keys_are_not_shown_by_accident():
    assert "00010203" not in repr(mask()) + repr(Masks({}, KEY))
    assert repr(KEY) not in repr(mask()) + repr(Masks({}, KEY))
