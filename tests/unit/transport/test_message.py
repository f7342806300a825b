"""The wire form of a message, and what happens to bytes that are none."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.transport import message as wire
from syncpipe.transport.broker import CONTENT_TYPE, Outbound

QUEUE = "sp.crm.3.normal"
MESSAGE = Outbound(QUEUE, b"\x00\xffbody", "0192-id", "syncpipe.apply")


def _stock(**changes):
    properties = {"delivery_tag": "t", "delivery_info": {}, "body_encoding": None}
    return {"body": "[[1], {}, {}]", "headers": {}, "properties": properties} | changes


def _load(payload, queue="ordinary"):
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return wire.load(raw, queue=queue, tag="ours")


@given(body=st.binary(max_size=200), created_ms=st.integers(0, 2**48))
def test_what_is_dumped_is_loaded_and_tells_its_age(body, created_ms):
    raw = wire.dump(Outbound(QUEUE, body, "id", "syncpipe.apply"), created_ms)

    assert wire.load(raw, queue=QUEUE, tag="t")["body"] == body
    assert wire.body_of(raw) == body
    assert wire.created_ms_of(raw[: wire.HEAD_BYTES]) == created_ms
    assert wire.created_ms_of(b" " + raw) == created_ms


def test_a_message_is_what_celery_protocol_2_expects():
    payload = json.loads(wire.dump(MESSAGE, 1))

    assert payload["headers"]["task"] == "syncpipe.apply"
    assert payload["headers"]["id"] == payload["properties"]["correlation_id"] == "0192-id"
    assert payload["content-type"] == CONTENT_TYPE
    assert payload["content-encoding"] == "binary"
    assert payload["properties"]["delivery_mode"] == 2
    assert payload["properties"]["delivery_info"] == {"exchange": "", "routing_key": QUEUE}
    assert base64.b64decode(payload["body"]) == MESSAGE.body


@pytest.mark.parametrize("odd", ['sp.%s."q"\\', "sp.%d.é", "\0"])
def test_names_are_written_as_json(odd):
    payload = json.loads(wire.dump(Outbound(odd, b"%b", odd, odd), 1))

    assert payload["properties"]["delivery_info"]["routing_key"] == odd
    assert payload["headers"]["task"] == payload["headers"]["root_id"] == odd
    assert base64.b64decode(payload["body"]) == b"%b"


def test_the_delivery_tag_becomes_ours():
    assert _load(_stock())["properties"]["delivery_tag"] == "ours"


def test_only_a_returned_message_says_that_it_was_delivered_before():
    raw = json.dumps(_stock()).encode()

    first, again = _load(raw), _load(b" " + raw)

    assert "redelivered" not in first["headers"]
    assert again["headers"]["redelivered"] is True
    assert again["properties"]["delivery_info"]["redelivered"] is True


def test_a_text_body_stays_text():
    assert _load(_stock())["body"] == "[[1], {}, {}]"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"null",
        b"[]",
        b"{}",
        b'{"properties": null, "body": ""}',
        b'{"properties": {"delivery_info": null}, "body": ""}',
        json.dumps(_stock(body=None)).encode(),
        json.dumps(_stock(body={"a": 1})).encode(),
        json.dumps(_stock(headers=[1])).encode(),
        json.dumps(_stock(properties={"delivery_info": {}, "body_encoding": "rot13"})).encode(),
        json.dumps(_stock(properties={"delivery_info": {}, "body_encoding": 7})).encode(),
        json.dumps(_stock(properties={"delivery_info": {}, "body_encoding": "base64"}))
        .replace("[[1], {}, {}]", "a")
        .encode(),
        b"[" * 100_000,
    ],
)
def test_bytes_that_are_no_message_are_wrapped_whole(raw):
    payload = _load(raw)

    assert payload["content-type"] == wire.UNREADABLE
    assert payload["body"] == raw
    assert payload["properties"]["delivery_tag"] == "ours"
    assert payload["properties"]["delivery_info"]["routing_key"] == "ordinary"


@given(st.binary(max_size=300))
def test_no_bytes_make_loading_fail(raw):
    assert _load(raw)["properties"]["delivery_tag"] == "ours"


def test_our_queues_refuse_messages_that_ask_for_decompression():
    bomb = _stock(headers={"compression": "application/x-bz2"})

    assert _load(bomb, queue=QUEUE)["content-type"] == wire.UNREADABLE
    assert _load(bomb)["headers"]["compression"] == "application/x-bz2"


def test_a_body_cannot_pretend_an_age():
    forged = _stock(body='{"headers":{"created_ms":5,')

    assert wire.created_ms_of(json.dumps(forged).encode()) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"headers": {"task": ["a"]}, "properties": {"delivery_info": {}}, "body": "x"}',
        b'{"headers": {}, "properties": {"delivery_info": {}}, "body": "\\ud800"}',
    ],
)
def test_what_would_break_whoever_looks_at_it_is_wrapped_whole(raw):
    assert _load(raw, queue=QUEUE)["body"] == raw
