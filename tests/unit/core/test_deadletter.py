"""Dead letters as bytes."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.attempt import Attempt
from syncpipe.core.deadletter import DeadLetter, decode_dead, encode_dead
from syncpipe.errors import MalformedEnvelope

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
letters = st.builds(
    DeadLetter,
    raw=st.binary(max_size=200),
    queue=texts,
    stage=texts,
    code=texts,
    message=texts,
    died_ms=st.integers(0, 2**48),
    worker=texts,
    operation_id=st.none() | texts,
    collection=st.none() | texts,
    key=st.none() | texts,
    version=st.none() | st.integers(1, 2**63 - 1),
    sqlstate=st.none() | texts,
    constraint=st.none() | texts,
    status=st.none() | st.integers(100, 599),
    endpoint=st.none() | texts,
    attempts=st.lists(
        st.builds(Attempt, st.integers(0, 2**48), texts, st.integers(0, 10**6), texts, texts),
        max_size=3,
    ).map(tuple),
    trace=st.none() | texts,
)
LETTER = DeadLetter(b"raw", "sp.crm.0.low", "apply", "SP-E511", "No.", 1, "w1", version=7)


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
