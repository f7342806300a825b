"""Dead letters as bytes."""

from __future__ import annotations

import uuid
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.attempt import Attempt
from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter, decode_dead, encode_dead, operation_of
from syncpipe.core.operation import Kind, Operation
from syncpipe.errors import MalformedEnvelope

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
codes = st.text(st.characters(exclude_categories=["Cs"]), max_size=16)
letters = st.builds(
    DeadLetter,
    raw=st.binary(max_size=200),
    queue=texts,
    stage=texts,
    code=texts,
    message=texts,
    died_ms=st.integers(0, 2**47 - 1),
    worker=texts,
    operation_id=st.none() | st.uuids().map(str),
    collection=st.none() | texts,
    key=st.none() | texts,
    version=st.none() | st.integers(1, 2**63 - 1),
    sqlstate=st.none() | texts,
    constraint=st.none() | texts,
    status=st.none() | st.integers(100, 599),
    endpoint=st.none() | texts,
    attempts=st.lists(
        st.builds(Attempt, st.integers(0, 2**48), texts, st.integers(0, 10**6), codes, texts),
        max_size=3,
    ).map(tuple),
    trace=st.none() | texts,
)
LETTER = DeadLetter(b"raw", "sp.crm.0.low", "apply", "SP-E511", "No.", 1, "w1", version=7)
OPERATION_ID = "0197a000-0000-7000-8000-00000000000a"


def altered(**members):
    """The bytes of a letter some members of which are something else."""
    whole = msgpack.unpackb(encode_dead(LETTER)[4:]) | members
    return encode_dead(LETTER)[:4] + msgpack.packb(whole)


@given(letters)
def test_a_letter_comes_out_equal(letter):
    assert decode_dead(encode_dead(letter)) == letter


def test_a_message_with_a_lone_surrogate_is_kept_readable():
    letter = DeadLetter(b"raw", "q", "decode", "SP-E301", "bad \ud800 text", 1, "w1")

    assert decode_dead(encode_dead(letter)).message == "bad ? text"


def test_members_of_a_newer_release_are_ignored():
    members = msgpack.unpackb(encode_dead(LETTER)[4:]) | {"mood": "grim"}

    assert decode_dead(encode_dead(LETTER)[:4] + msgpack.packb(members)) == LETTER


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SP",
        b"SPD\x02" + encode_dead(LETTER)[4:],
        encode_dead(LETTER)[:-1],
        b"SPD\x01\x07",
        b"SPD\x01\x80",
        encode_dead(LETTER) + b"\x00",
        altered(raw="text"),
        altered(raw=None),
        altered(queue=b"bytes"),
        altered(died_ms=-1),
        altered(died_ms=2**47),
        altered(died_ms=True),
        altered(version=0),
        altered(version=2**63),
        altered(status=2**31),
        altered(status="200"),
        altered(operation_id="7"),
        altered(operation_id=OPERATION_ID.upper()),
        altered(key=5),
        altered(attempts=[[1, "w", 2, "SP-E511"]]),
        altered(attempts={}),
    ],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(MalformedEnvelope):
        decode_dead(data)


def test_letters_of_one_cause_have_one_fingerprint_whatever_their_record():
    first = replace(LETTER, message='Key (id)=(5) is not "open" since 2026.', constraint="c1")
    second = replace(first, message='Key (id)=(99) is not "shut" since 1999.', raw=b"other")
    third = replace(first, constraint="c2")

    assert first.fingerprint == second.fingerprint
    assert first.fingerprint != third.fingerprint
    assert first.fingerprint != replace(first, queue="sp.erp.0.low").fingerprint


def test_the_target_is_that_of_the_queue():
    assert LETTER.target == "crm"
    assert replace(LETTER, queue="elsewhere").target is None


@given(letters)
def test_a_letter_keeps_its_id_whatever_happened_to_it(letter):
    again = replace(letter, message="Other.", died_ms=5, stage="verify", code="SP-E510", worker="x")

    assert again.id == letter.id
    assert uuid.UUID(letter.id).version == 8
    assert uuid.UUID(letter.id).variant == uuid.RFC_4122


def test_each_operation_and_target_has_a_letter_of_its_own_and_each_unreadable_message():
    letter = replace(LETTER, operation_id=OPERATION_ID)
    unreadable = replace(LETTER, version=None)
    all_ = [
        letter,
        replace(letter, operation_id=OPERATION_ID.replace("a", "b")),
        replace(letter, collection="orders"),
        replace(letter, collection="orders", key="k"),
        replace(letter, queue="sp.erp.0.low"),
        replace(letter, queue="elsewhere"),
        unreadable,
        replace(unreadable, raw=b"other"),
        replace(unreadable, queue="sp.erp.0.low"),
    ]

    assert len({each.id for each in all_}) == len(all_)
    assert replace(letter, raw=b"other").id == letter.id
    assert replace(letter, queue="sp.crm.3.high").id == letter.id


def test_a_letter_without_attempts_tells_of_the_last_one():
    assert LETTER.history == (Attempt(1, "w1", 0, "SP-E511", "No."),)
    known = (Attempt(7, "w2", 3, "SP-E510", "Not yet."),)
    assert replace(LETTER, attempts=known).history == known


def test_the_operation_is_read_where_there_is_one():
    operation = Operation(uuid.UUID(OPERATION_ID).bytes, Kind.UPSERT, "orders", "1", 7, {"a": 1})
    letter = replace(LETTER, operation_id=OPERATION_ID, raw=encode(operation))

    assert operation_of(letter) == operation
    assert operation_of(replace(letter, operation_id=None)) is None
    assert operation_of(replace(letter, raw=b"raw")) is None
    assert operation_of(replace(letter, raw=letter.raw * 2)) is None
