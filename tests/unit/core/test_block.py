"""Blocks: columns that fit each other, or none."""

from __future__ import annotations

import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.block import MARK, MAX_OPERATIONS, Block, decode_block
from syncpipe.errors import MalformedEnvelope
from tests.unit.core import plain

ID = bytes(range(16))


def forged(name="notes", ids=ID * 2, version=1, keys=("a", "b"), documents=b"{}\n{}\n", *more):
    return msgpack.packb([name, ids, version, list(keys), documents, *more])


@given(plain.blocks())
def test_operations_come_out_of_a_block_equal(operations):
    raw = plain.block_of(operations).encode()
    block = decode_block(raw)

    assert raw.startswith(MARK)
    assert block.operations(block.read()) == operations
    assert block.count == len(operations)
    assert block.separate_ids() == [each.id for each in operations]
    assert list(block.versions) == [each.version for each in operations]


@pytest.mark.parametrize(
    "raw",
    [
        forged(name="n" * 256),
        forged(name=b"notes"),
        forged(ids="0123456789abcdef" * 2),
        forged(version=0),
        forged(version=2**63),
        forged(version=True),
        forged(keys=[]),
        forged(keys=[1, 2]),
        forged(keys=["k" * 4097, "l"]),
        forged(keys=["k"] * (MAX_OPERATIONS + 1)),
        forged(documents="{}\n{}\n"),
        msgpack.packb(["notes", ID, 1, ["a"]]),
        msgpack.packb(["notes", ID, 1, ["a"], b"{}\n", None]),
        msgpack.packb({"collection": "notes"}),
        forged().replace(b"notes", b"n\xed\xa0\x80s"),
        forged() + b"\xc0",
        b"",
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_what_does_not_have_the_form_of_a_block_is_none(raw):
    with pytest.raises(MalformedEnvelope):
        decode_block(raw)


@pytest.mark.parametrize(
    "raw",
    [
        forged(ids=ID),
        forged(ids=ID * 3),
        forged(ids=ID * 2 + b"x"),
        forged(keys=["a"]),
        forged(keys=["a", "b", "c"]),
        forged(documents=b"{}\n"),
        forged(documents=b"{}\n{}\n{}\n"),
        forged(documents=b"{}\n{}"),
        forged(version=2**63 - 1),
    ],
)
def test_columns_that_are_not_equally_long_are_refused(raw):
    with pytest.raises(MalformedEnvelope):
        decode_block(raw).read()


def test_the_last_version_may_be_the_last_there_is():
    block = decode_block(forged(version=2**63 - 2))

    assert [each.version for each in block.operations(block.read())] == [2**63 - 2, 2**63 - 1]


@given(plain.blocks(), st.data())
def test_every_truncation_is_refused(operations, data):
    raw = plain.block_of(operations).encode()

    with pytest.raises(MalformedEnvelope):
        decode_block(raw[: data.draw(st.integers(0, len(raw) - 1))])


def test_more_keys_than_a_block_may_have_are_not_even_read():
    raw = forged(keys=[]).replace(b"\x90", b"\xdd\x00\x0f\x00\x00" + b"\xa1k" * 0xF0000)
    tracemalloc.start()
    with pytest.raises(MalformedEnvelope):
        decode_block(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1_000_000


def test_a_block_is_a_value():
    assert decode_block(forged()) == Block("notes", ID * 2, 1, ["a", "b"], b"{}\n{}\n")
