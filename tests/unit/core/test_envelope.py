"""Sealed bytes: equal on arrival, or refused with an error of their own."""

from __future__ import annotations

import random
import struct
import tracemalloc

import msgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from syncpipe.core import envelope
from syncpipe.core.attempt import Attempt
from syncpipe.core.codec import decode_all
from syncpipe.core.compression import MOST_WITH_DICTIONARY
from syncpipe.core.envelope import (
    BLOCKS,
    MAX_BODY_BYTES,
    MAX_OPERATIONS,
    ROWS,
    Envelope,
    Header,
    peek,
    seal,
    unseal,
)
from syncpipe.core.routing import Lane, Priority
from syncpipe.errors import (
    ChecksumMismatch,
    DictionaryMissing,
    EnvelopeError,
    EnvelopeTooLarge,
    EnvelopeTruncated,
    MalformedEnvelope,
    NotAnEnvelope,
    UnknownFormat,
)
from tests.unit.core import plain
from tests.unit.core.trained import dictionary, orders

headers = st.builds(
    Header,
    id=st.binary(min_size=16, max_size=16),
    lane=st.builds(Lane, st.sampled_from(["crm", "search-2"]), st.integers(0, 99_999)),
    priority=st.sampled_from(Priority),
    count=st.integers(1, MAX_OPERATIONS),
    created_ms=st.integers(0, 2**48),
    trace=st.none() | st.text(max_size=60),
)
PREFIX = struct.Struct(">3sBI16sH")


def _header(count: int = 1, trace: str | None = None) -> Header:
    return Header(bytes(range(16)), Lane("crm", 3), Priority.HIGH, count, 1_767_225_600_000, trace)


def _samples() -> list[bytes]:
    """Twenty envelopes of different sizes, half of them compressed, and one with a dictionary."""
    chance = random.Random(7)
    bodies = [[chance.randbytes(n)] for n in range(0, 100, 10)]
    bodies += [[b"text that repeats. " * n, chance.randbytes(n)] for n in range(14, 24)]
    sealed = [
        seal(_header(n, "00-trace-01" if n % 2 else None), b) for n, b in enumerate(bodies, 1)
    ]
    return [*sealed, seal(_header(2), orders(2, 9), {"orders": dictionary()})]


def _forged(fields: list, body: bytes, *, format_: int = 1) -> bytes:
    """An envelope whose checksum fits, whatever is in it."""
    packed = msgpack.packb(fields)
    total = PREFIX.size + len(packed) + len(body)
    data = PREFIX.pack(b"SPE", format_, total, bytes(16), len(packed)) + packed + body
    return data[:8] + envelope._digest(data) + data[24:]


def _fields(**changes: object) -> list:
    fields = {
        "id": bytes(16),
        "target": "crm",
        "shard": 0,
        "priority": "normal",
        "count": 1,
        "created_ms": 1,
        "codec": "none",
        "raw_length": 3,
        "key_id": None,
        "trace": None,
    }
    return list((fields | changes).values())


@given(headers, plain.pieces)
def test_an_envelope_tells_its_format(header, pieces):
    encoded = [plain.body_of([piece]) for piece in pieces]
    format_ = BLOCKS if any(isinstance(piece, list) for piece in pieces) else ROWS

    sealed = seal(header, encoded, format_=format_)

    assert sealed[3] == format_
    assert unseal(sealed) == Envelope(header, b"".join(encoded), format_)


@given(headers, st.lists(st.binary(max_size=400), max_size=5))
def test_header_and_body_come_out_equal(header, operations):
    assert unseal(seal(header, operations)) == Envelope(header, b"".join(operations))


def test_a_body_that_repeats_is_compressed():
    body = b"the same words again and again " * 1000

    assert len(seal(_header(), [body])) < len(body) // 10


def test_a_body_that_cannot_be_compressed_grows_by_no_more_than_the_header():
    body = random.Random(1).randbytes(100_000)

    assert len(seal(_header(), [body])) < len(body) + 200


@pytest.mark.parametrize("number", range(21))
def test_every_truncation_is_refused(number):
    sealed = _samples()[number]

    for size in range(len(sealed)):
        expected = EnvelopeTruncated if size else NotAnEnvelope
        with pytest.raises(expected):
            unseal(sealed[:size])


@pytest.mark.parametrize("number", range(21))
def test_every_single_bit_flip_is_refused(number):
    sealed = _samples()[number]

    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EnvelopeError) as refusal:
            unseal(bytes(altered))
        assert type(refusal.value) is _expected(bit // 8, bytes(altered), sealed)


def _expected(at: int, altered: bytes, sealed: bytes) -> type[EnvelopeError]:
    if at < 3:
        return NotAnEnvelope
    if at == 3:
        return UnknownFormat
    claimed = PREFIX.unpack_from(altered)[2]
    return EnvelopeTruncated if claimed > len(sealed) else ChecksumMismatch


@pytest.mark.parametrize("format_", [0, *range(3, 256)])
def test_every_unknown_format_is_refused(format_):
    with pytest.raises(UnknownFormat, match=f"format {format_};"):
        unseal(_forged(_fields(), b"abc", format_=format_))


@pytest.mark.parametrize("data", [b"", b"X", b"SPX", b"[[], {}, {}]", b"\x80\x02", bytes(100)])
def test_other_bytes_are_not_an_envelope(data):
    with pytest.raises(NotAnEnvelope):
        unseal(data)


def test_bytes_after_the_end_are_refused():
    with pytest.raises(ChecksumMismatch):
        unseal(seal(_header(), [b"abc"]) + b"x")


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"id": b"short"}, b"abc"),
        ({"id": "x" * 16}, b"abc"),
        ({"target": 7}, b"abc"),
        ({"shard": -1}, b"abc"),
        ({"shard": True}, b"abc"),
        ({"priority": "urgent"}, b"abc"),
        ({"count": "1"}, b"abc"),
        ({"created_ms": None}, b"abc"),
        ({"codec": "lzma"}, b"abc"),
        ({"codec": b"short"}, b"abc"),
        ({"codec": None}, b"abc"),
        ({"raw_length": 4}, b"abc"),
        ({"raw_length": 2}, b"abc"),
        ({"key_id": "k1"}, b"abc"),
        ({"trace": 1}, b"abc"),
        ({"codec": "zstd"}, b"abc"),
        ({"codec": "zstd", "raw_length": 9}, zstandard.ZstdCompressor().compress(b"abc" * 99)),
        ({"codec": "zstd", "raw_length": 999}, zstandard.ZstdCompressor().compress(b"abc")),
        ({"codec": "zstd", "raw_length": 3}, zstandard.ZstdCompressor().compress(b"abc")[:-2]),
    ],
)
def test_content_that_the_format_does_not_allow_is_refused(changes, body):
    with pytest.raises(MalformedEnvelope):
        unseal(_forged(_fields(**changes), body))


def test_a_header_that_is_not_a_list_of_the_known_length_is_refused():
    for fields in ([], [*_fields(), 1], "text"):
        with pytest.raises(MalformedEnvelope):
            unseal(_forged(fields, b"abc"))


@pytest.mark.parametrize("claimed", [3, MAX_BODY_BYTES])
def test_a_decompression_bomb_is_refused_in_bounded_memory(claimed):
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    bomb = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(256))
    bomb += compressor.flush()
    forged = _forged(_fields(codec="zstd", raw_length=claimed), bomb)

    tracemalloc.start()
    with pytest.raises(MalformedEnvelope):
        unseal(forged)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * MAX_BODY_BYTES


def test_a_body_that_claims_more_than_the_limit_is_refused_before_it_is_unpacked():
    with pytest.raises(EnvelopeTooLarge):
        unseal(_forged(_fields(codec="zstd", raw_length=MAX_BODY_BYTES + 1), b"abc"))


def test_a_body_above_the_limit_is_not_sealed():
    with pytest.raises(EnvelopeTooLarge):
        seal(_header(), [bytes(MAX_BODY_BYTES), b"x"])


def test_an_envelope_above_the_limit_is_neither_sealed_nor_opened():
    incompressible = random.Random(3).randbytes(envelope.MAX_ENVELOPE_BYTES)

    with pytest.raises(EnvelopeTooLarge):
        seal(_header(), [incompressible])
    with pytest.raises(EnvelopeTooLarge):
        unseal(b"SPE" + incompressible)


def test_an_envelope_of_too_many_operations_is_neither_sealed_nor_opened():
    with pytest.raises(EnvelopeTooLarge, match="10001 operations"):
        seal(_header(MAX_OPERATIONS + 1), [b"x"] * (MAX_OPERATIONS + 1))
    with pytest.raises(EnvelopeTooLarge, match="10001 operations"):
        unseal(_forged(_fields(count=MAX_OPERATIONS + 1), b"abc"))


@pytest.mark.parametrize(
    "body", [b"", zstandard.ZstdCompressor().compress(b""), b"\x28\xb5\x2f\xfd\x20\x00 what ever"]
)
def test_an_envelope_of_no_operations_is_none(body):
    forged = _forged(_fields(count=0, raw_length=0, codec="zstd" if body else "none"), body)

    with pytest.raises(MalformedEnvelope, match="no operation"):
        unseal(forged)


@pytest.mark.parametrize(
    ("count", "raw_length", "peeked"),
    [
        (7, 900, (7, 900)),
        (7, 0, (7, 0)),
        (7, MAX_BODY_BYTES, (7, MAX_BODY_BYTES)),
        (7, MAX_BODY_BYTES + 1, (0, 0)),
        (7, -1, (0, 0)),
        (0, 900, (0, 0)),
        (MAX_OPERATIONS + 1, 900, (0, 0)),
    ],
)
def test_what_an_envelope_claims_to_hold_is_told_without_a_check(count, raw_length, peeked):
    assert peek(_forged(_fields(count=count, raw_length=raw_length), b"abc")) == peeked


def test_attempts_travel_in_the_header():
    attempts = (Attempt(1, "w1", 12, "SP-E510", "No."), Attempt(2, "w2", 3, "SP-E515", "Slow."))
    header = replace(_header(1), attempts=attempts)

    assert unseal(seal(header, [b"x"])).header == header


def test_the_replay_travels_behind_the_attempts_perhaps_of_none():
    tried = (Attempt(1, "w1", 12, "SP-E510", "No."),)
    for attempts in ((), tried):
        header = replace(_header(1), attempts=attempts, replay=bytes(range(16)))
        assert unseal(seal(header, [b"x"])).header == header


def test_without_a_replay_the_bytes_are_those_of_earlier_releases():
    plain, tried = _header(1), replace(_header(1), attempts=(Attempt(1, "w", 1, "", ""),))
    for header, members in ((plain, 10), (tried, 11)):
        sealed = seal(header, [b"x"])
        length = PREFIX.unpack_from(sealed)[4]
        assert len(msgpack.unpackb(sealed[PREFIX.size : PREFIX.size + length])) == members


@pytest.mark.parametrize("tail", [[[], b"short"], [[], "x" * 16], [[], bytes(16), 1], [b"x", None]])
def test_what_follows_the_trace_is_checked(tail):
    with pytest.raises(MalformedEnvelope):
        unseal(_forged([*_fields(), *tail], b"abc"))


def _codec(sealed: bytes) -> object:
    length = PREFIX.unpack_from(sealed)[4]
    return msgpack.unpackb(sealed[PREFIX.size : PREFIX.size + length])[6]


def _find(id_: bytes):
    assert id_ == dictionary().id
    return dictionary()


@pytest.mark.parametrize("count", [1, 2, 20])
def test_few_operations_of_one_collection_are_compressed_with_its_dictionary(count):
    operations = orders(count, 3)
    plain = seal(_header(count), operations)
    sealed = seal(_header(count), operations, {"orders": dictionary()})

    assert _codec(sealed) == dictionary().id
    assert len(sealed) < len(plain) * 0.9
    assert unseal(sealed, _find) == unseal(plain)


@pytest.mark.parametrize("others", [0, 1])
def test_a_small_block_is_compressed_with_the_dictionary_of_its_collection(others):
    block = plain.block_of([operation for operation, _ in decode_all(b"".join(orders(12, 3)))])
    pieces = [block.encode(), *orders(others, 4)]
    bare = seal(_header(12 + others), pieces)
    sealed = seal(_header(12 + others), pieces, {"orders": dictionary()})

    assert _codec(sealed) == dictionary().id
    assert len(sealed) < len(bare)
    assert unseal(sealed, _find) == unseal(bare)


@pytest.mark.parametrize(
    "operations",
    [
        [*orders(1, 3), *orders(1, 3, collection="order")],
        orders(2, 3, collection="orders2"),
        orders(MOST_WITH_DICTIONARY // 100, 3),
        [],
    ],
    ids=["of several collections", "of another collection", "many", "none"],
)
def test_other_operations_are_compressed_without(operations):
    header = _header(len(operations))

    assert seal(header, operations, {"orders": dictionary()}) == seal(header, operations)


def test_without_its_dictionary_an_envelope_is_not_opened_and_says_which_it_needs():
    sealed = seal(_header(1), orders(1, 3), {"orders": dictionary()})

    with pytest.raises(DictionaryMissing, match=dictionary().id.hex()):
        unseal(sealed)


@pytest.mark.parametrize(("claimed", "zeros"), [(3, 1 << 20), (1 << 20, 1 << 28)])
def test_a_bomb_with_a_dictionary_is_refused_in_bounded_memory(claimed, zeros):
    bomb = dictionary().compress(bytes(zeros))
    forged = _forged(_fields(codec=dictionary().id, raw_length=claimed), bomb)

    tracemalloc.start()
    with pytest.raises(MalformedEnvelope):
        unseal(forged, _find)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < MAX_BODY_BYTES
