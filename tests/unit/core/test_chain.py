from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.audit import Act, Head
from syncpipe.core.chain import Flaw, canonical, derived, key_id, read_key, sealed, verify

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def act(number=0, **others):
    given_ = {"actor": "ann@h", "verb": "dlq.discard", "subject": f"code:{number}", "reason": "why"}
    return Act(**given_ | others)


def chained(acts, key=KEY):
    records, head = [], Head()
    for at_ms, each in enumerate(acts):
        records.append(sealed(each, after=head, at_ms=at_ms, key=key))
        head = records[-1].head
    return records


@pytest.fixture
def records():
    return chained([act(number, details={"number": number}) for number in range(1, 7)])


def test_what_was_chained_is_right(records):
    verdict = verify(records, KEY)
    assert verdict.flaw is None
    assert verdict.head == records[-1].head == Head(6, records[-1].mac)
    assert verify(records, KEY, records[3].head).flaw is None
    assert verify([], KEY).head == Head()
    assert verify(records, KEY, Head()).flaw is None


@pytest.mark.parametrize(
    "change",
    [
        {"at_ms": 99},
        {"mac": "00" * 32},
        {"mac": "no digits"},
        {"mac": "é"},
        {"act": act(3, details={"number": 3.0})},
        {"act": act(3, details={"number": "3"})},
        {"act": act(3, details=[])},
        {"act": act(3, details="\ud800")},
        {"act": act(3, details={"number": 3}, actor="bob@h")},
        {"act": act(3, details={"number": 3}, reason="")},
        {"act": act(3, details={"number": 3}, subject="code:4")},
        {"act": act(3, details={"number": 3}, verb="dlq.discardcode:3", subject="")},
    ],
)
def test_a_changed_entry_is_named(records, change):
    records[2] = replace(records[2], **change)
    assert verify(records, KEY).flaw == Flaw(3, "It was changed, or written without the key.")
    assert verify(records, KEY).head == records[1].head


def test_a_missing_entry_is_named(records):
    assert verify(records[1:], KEY).flaw.number == 1
    assert verify(records[:2] + records[3:], KEY).flaw.number == 3
    assert verify(records[:2] + records[4:], KEY).flaw == Flaw(3, "It is missing: 5 follows 2.")


def test_entries_that_were_swapped_are_named(records):
    second, fourth = records[1], records[3]
    records[1], records[3] = replace(fourth, number=2), replace(second, number=4)
    assert verify(records, KEY).flaw.number == 2
    records[1], records[3] = fourth, second
    assert verify(records, KEY).flaw.number == 2


def test_an_entry_that_was_put_in_is_named(records):
    forged = sealed(act(9), after=records[2].head, at_ms=9, key=OTHER)
    moved = [replace(each, number=each.number + 1) for each in records[3:]]
    flaw = verify([*records[:3], forged, *moved], KEY).flaw
    assert flaw.number == 4
    assert key_id(OTHER) in flaw.what
    pretended = replace(forged, key_id=key_id(KEY))
    assert verify([*records[:3], pretended, *moved], KEY).flaw.number == 4
    assert verify([*records[:3], records[2], *records[3:]], KEY).flaw.number == 3
    before = replace(records[0], number=0)
    assert verify([before, *records], KEY).flaw.number == 0
    assert verify([*records, replace(pretended, number=7)], KEY).flaw.number == 7


def test_a_chain_of_another_key_is_wrong_from_its_first_entry(records):
    assert verify(records, OTHER).flaw.number == 1
    rebuilt = chained([each.act for each in records], OTHER)
    assert verify(rebuilt, KEY).flaw.number == 1
    pretended = [replace(each, key_id=key_id(KEY)) for each in rebuilt]
    assert verify(pretended, KEY).flaw.number == 1


def test_what_was_cut_off_takes_a_head_to_be_noticed(records):
    head = records[-1].head
    assert verify(records[:4], KEY).flaw is None
    flaw = verify(records[:4], KEY, head).flaw
    assert (flaw.number, "6 once" in flaw.what) == (5, True)
    assert verify([], KEY, head).flaw.number == 1


def test_what_was_cut_off_and_written_anew_takes_a_head_to_be_noticed(records):
    head = records[-1].head
    anew = chained([*(each.act for each in records[:4]), act(50), act(60), act(70)])
    assert verify(anew, KEY).flaw is None
    flaw = verify(anew, KEY, head).flaw
    assert (flaw.number, "from before" in flaw.what) == (6, True)


@given(st.lists(st.dictionaries(st.text(max_size=4), JSON, max_size=3), max_size=4), st.randoms())
def test_whatever_is_done_is_chained_and_the_order_of_members_is_none(details, random):
    records = chained([act(details=each) for each in details])
    assert verify(records, KEY).flaw is None

    def shuffled(value):
        if isinstance(value, dict):
            names = random.sample(sorted(value), len(value))
            return {name: shuffled(value[name]) for name in names}
        return [shuffled(each) for each in value] if isinstance(value, list) else value

    again = [
        replace(each, act=replace(each.act, details=shuffled(each.act.details))) for each in records
    ]
    assert verify(again, KEY).flaw is None


def test_what_no_database_keeps_is_left_out_before_it_is_chained():
    strange = act(1, reason="a\0b\ud800", details={"\0": ["\0", {"x": "\udfff"}], "n": (1, 2)})
    [record] = chained([strange])
    assert record.act.reason == "a\ufffdb?"
    assert record.act.details == {"\ufffd": ["\ufffd", {"x": "?"}], "n": [1, 2]}


def test_what_json_does_not_have_is_refused():
    for details in ({"x": float("nan")}, {"x": b""}, {"x": object()}):
        with pytest.raises((TypeError, ValueError)):
            chained([act(details=details)])


def test_integers_of_any_size_differ():
    numbers = [0, 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, -(2**64), 10**5000]
    assert len({canonical(number) for number in numbers}) == len(numbers)


def test_what_is_nested_too_deeply_is_wrong_and_no_crash(records):
    deep = []
    for _ in range(3000):
        deep = [deep]
    records[1] = replace(records[1], act=act(2, details={"x": deep}))
    assert verify(records, KEY).flaw.number == 2


def test_a_head_is_written_and_read():
    head = Head(12, "ab" * 32)
    assert Head.read(f" {head}\n") == Head.read(str(head).upper()) == head
    assert Head.read(str(Head())) == Head()
    for text in ("", "12", "12:", "0:" + "ab" * 32, "x:" + "ab" * 32, "-1:", "12:" + "ab" * 31):
        with pytest.raises(ValueError, match="is no head"):
            Head.read(text)


def test_a_key_is_read_as_hexadecimal_digits_or_base64():
    key = bytes(range(200, 240))
    for text in (
        key.hex(),
        f" {key.hex().upper()}\n",
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode().rstrip("="),
    ):
        assert read_key(text) == key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 bytes"),
        ("ab" * 31, "31 bytes"),
        ("correct horse battery staple", "neither"),
        ("é" * 64, "neither"),
        ("00" * 32, "repeats itself"),
        ("changeme" * 8, "repeats itself"),
    ],
)
def test_what_is_no_good_key_is_told_without_showing_it(text, why):
    with pytest.raises(ValueError, match=why) as caught:
        read_key(text)
    assert not text or text not in str(caught.value)


def test_keys_for_other_purposes_tell_nothing_of_each_other():
    assert len({KEY, derived(KEY, "masks"), derived(KEY, "x"), derived(OTHER, "masks")}) == 4
    assert key_id(KEY) != key_id(OTHER)
