"""The dead letters that a store keeps: in PostgreSQL, and in memory."""

from __future__ import annotations

import functools
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import msgpack
import pytest

from syncpipe.core.attempt import Attempt
from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.masking import masked_reason
from syncpipe.core.operation import Kind, Operation

NOW = 1_767_225_600_123


@pytest.fixture
def letters(store):
    return store.dead_letters


def dead(number=0, data=None, **members):
    """A dead letter of an operation; *number* tells it from others."""
    id_ = uuid.UUID(int=0x0197A000_0000_7000_8000_000000000000 + number)
    operation = Operation(id_.bytes, Kind.UPSERT, "orders", f"k{number}", 7, data or {"a": number})
    known = {
        "raw": encode(operation),
        "queue": "sp.crm.0.low",
        "stage": "apply",
        "code": "SP-E511",
        "message": "It says no.",
        "died_ms": NOW + number,
        "worker": "w1@h",
        "operation_id": str(id_),
        "collection": "orders",
        "key": f"k{number}",
        "version": 7,
    }
    return DeadLetter(**known | members)


def unreadable(raw=b"garbage", **members):
    known = {
        "raw": raw,
        "queue": "sp.crm.0.low",
        "stage": "decode",
        "code": "SP-E301",
        "message": "No envelope.",
        "died_ms": NOW,
        "worker": "w1@h",
    }
    return DeadLetter(**known | members)


def only(found):
    (kept,) = found
    return kept


def test_everything_about_a_letter_comes_out_equal(letters):
    letter = dead(
        sqlstate="23514",
        constraint="positive",
        status=422,
        endpoint="/orders",
        attempts=(Attempt(NOW, "w1@h", 5, "SP-E510", "Not yet."), Attempt(NOW, "w", 0, "x", "y")),
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        message="Ünïcode, 'quotes', \\backslashes and {braces}: 5% of it.",
    )

    kept = only(letters.record([letter]))

    assert kept.letter == letter
    assert (kept.first_seen_ms, kept.last_seen_ms) == (letter.died_ms, letter.died_ms)
    assert (kept.times_seen, kept.state) == (1, "open")
    assert letters.find(letter.id) == letters.find(letter.operation_id) == [kept]


def test_an_unreadable_message_is_kept_by_its_bytes(letters):
    raw = bytes(range(256)) * 4
    first, second, elsewhere = (
        unreadable(raw),
        unreadable(raw + b"x"),
        unreadable(raw, queue="sp.erp.0.low"),
    )

    letters.record([first, second, elsewhere])

    assert letters.count() == 3
    assert only(letters.find(first.id)).letter == replace(first, attempts=first.history)


def test_keeping_a_letter_again_changes_nothing(letters):
    letter = dead()
    first = letters.record([letter])

    assert letters.record([letter]) == letters.record([letter, letter]) == first
    assert letters.find(letter.id) == first


def test_what_is_given_up_again_keeps_its_first_time_and_every_attempt(letters):
    first = dead()
    other = Attempt(NOW + 9, "w2@h", 3, "SP-E510", "Now this.")
    second = dead(
        died_ms=NOW + 9,
        code="SP-E510",
        message="Now this.",
        worker="w2@h",
        sqlstate="23503",
        queue="sp.crm.1.high",
        attempts=(other,),
    )
    letters.record([first])

    kept = only(letters.record([second]))

    assert (kept.first_seen_ms, kept.last_seen_ms, kept.times_seen) == (NOW, NOW + 9, 2)
    assert kept.letter.attempts == (*first.history, other)
    assert kept.letter == replace(second, attempts=(*first.history, other))
    assert letters.find(first.id) == [kept]


def test_what_was_given_up_before_the_last_time_changes_nothing(letters):
    first, second = dead(), dead(died_ms=NOW + 9, message="Again.")
    letters.record([first])
    kept = letters.record([second])

    assert letters.record([first]) == kept


def test_repeats_in_one_call_come_in_any_order(letters):
    first, second, third = dead(), dead(died_ms=NOW + 1), dead(died_ms=NOW + 2)

    kept = only(letters.record([third, first, second, first]))

    assert (kept.times_seen, kept.first_seen_ms, kept.last_seen_ms) == (3, NOW, NOW + 2)


def test_each_target_has_a_letter_of_its_own(letters):
    crm, erp = dead(), dead(queue="sp.erp.0.low")

    letters.record([crm, erp])

    assert {kept.id for kept in letters.find(crm.operation_id)} == {crm.id, erp.id}


@pytest.mark.parametrize(
    "members",
    [
        {"message": "nul \0 in it", "constraint": "\0", "key": "\0", "worker": "\0"},
        {"collection": "\0", "queue": "sp.crm.0.low\0", "trace": "\0"},
        {"collection": "c" * 30_000, "key": "k" * 30_000},
        {"queue": "q" * 30_000},
        {"raw": b"not an operation"},
        {"raw": b""},
    ],
)
def test_nothing_in_a_letter_keeps_it_or_others_from_being_kept(letters, members):
    strange, plain = dead(1, **members), dead(2)

    kept = letters.record([strange, plain])
    assert len(letters.record([strange, plain])) == 2

    assert len(kept) == letters.count() == 2
    assert letters.find(plain.id)
    assert any(strange.raw in each.letter.raw for each in kept)


@pytest.mark.parametrize("data", [{"a": "nul \0"}, {"a": float("nan")}, {"~": "~x", "b": 10**5000}])
def test_data_that_json_cannot_hold_is_kept_as_bytes(letters, data):
    letter = dead(data=data)

    assert only(letters.record([letter])).letter.raw == letter.raw


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"t": msgpack.Timestamp(1)}, id="timestamp"),
        pytest.param({"m": {b"k": 1}}, id="bytes-key"),
        pytest.param({"d": functools.reduce(lambda deep, _: [deep], range(500), 1)}, id="deep"),
        pytest.param({"n": 10**5000}, id="long"),
    ],
)
def test_what_no_client_sends_is_kept_and_told_like_any_other(letters, data):
    whole = dead(1)
    number = data.get("n")
    packed = encode(Operation(bytes(16), Kind.UPSERT, "orders", "k", 7, data)) if number else None
    raw = packed or msgpack.packb([bytes(16), 1, "orders", "k", 7, data])
    odd = dead(2, raw=raw)

    assert len(letters.record([odd, whole])) == 2
    assert [only(letters.find(each.id)).letter.raw for each in (odd, whole)] == [raw, whole.raw]
    assert masked_reason(odd)


def test_open_letters_name_the_keys_that_they_need(letters):
    letters.record(
        [
            *(dead(1), dead(2), dead(3, collection="customers"), unreadable()),
            *(dead(4, queue="sp.erp.0.low"), dead(5, queue="elsewhere")),
        ]
    )

    assert letters.open_keys("crm") == {"orders": {"k1", "k2"}, "customers": {"k3"}}
    assert letters.open_keys("erp") == {"orders": {"k4"}}
    assert letters.open_keys("none") == {}


@pytest.mark.parametrize("id_", ["", "nonsense", "' OR true --", str(uuid.UUID(int=5))])
def test_what_is_not_there_is_not_found(letters, id_):
    letters.record([dead()])

    assert letters.find(id_) == []


def test_nothing_to_keep_is_no_error(letters):
    assert letters.record([]) == []
    assert letters.count() == 0


def test_several_who_keep_the_same_keep_it_once(letters):
    everything = [dead(number, died_ms=NOW) for number in range(40)]
    later = [replace(letter, died_ms=NOW + 1) for letter in everything]

    def record(turn):
        both = everything + later
        return letters.record(both[turn:] + both[:turn])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(record, range(0, 40, 5)))

    assert {only(letters.find(each.id)).times_seen for each in everything} == {2}
    assert letters.count() == 40


def test_ten_thousand_letters_are_kept(letters):
    everything = [dead(number) for number in range(10_000)]
    for at in range(0, 10_000, 500):
        letters.record(everything[at : at + 500])

    assert letters.count() == 10_000
    assert len(letters.open_keys("crm")["orders"]) == 10_000
