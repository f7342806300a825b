"""Whatever goes in comes out equal; anything else is refused."""

from __future__ import annotations

import sys
import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from syncpipe.core.block import Block
from syncpipe.core.codec import (
    MAX_OPERATION_BYTES,
    collection_of,
    decode_all,
    decode_at_once,
    decode_plain,
    encode,
    encode_fields,
    parts,
    split,
)
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.values import check_document
from syncpipe.errors import InvalidValue, MalformedEnvelope, OperationTooLarge
from tests.unit.core import plain, samples

ID = bytes(range(16))


def _upsert(data: dict) -> Operation:
    return Operation(ID, Kind.UPSERT, "notes", "k", 1, data)


def _made(columns) -> list[Operation]:
    ids, kinds, collections, keys, versions, contents, data = columns
    assert list(data) == list(contents)
    return list(map(Operation, ids, kinds, collections, keys, versions, data))


@given(st.lists(samples.operations, max_size=4))
def test_operations_come_out_equal_with_the_bytes_that_went_in(operations):
    encoded = [encode(operation) for operation in operations]

    decoded = list(decode_all(b"".join(encoded)))

    assert [raw for _, raw in decoded] == encoded
    assert [operation for operation, _ in decoded] == operations
    assert [samples.shape(dict(o.fields)) for o, _ in decoded] == [
        samples.shape(dict(o.fields)) for o in operations
    ]


@given(plain.pieces)
def test_blocks_among_operations_are_read_with_the_bytes_of_operations_alone(pieces):
    body, operations = plain.body_of(pieces), plain.flattened(pieces)

    decoded = list(decode_all(body))

    assert [operation for operation, _ in decoded] == operations
    assert [samples.shape(o.data) for o, _ in decoded] == [
        samples.shape(o.data) for o in operations
    ]
    assert [raw for _, raw in decoded] == list(map(encode, operations))
    assert split(body, len(operations)) == list(map(encode, operations))


def _told_apart(part) -> list[Operation]:
    if isinstance(part, Block):
        return part.operations(part.read())
    return [operation for operation, _ in decode_all(part.body)]


@given(plain.pieces, st.sampled_from([-1, 1]))
def test_blocks_and_operations_are_told_apart_if_they_are_as_many_as_announced(pieces, more):
    body, operations = plain.body_of(pieces), plain.flattened(pieces)

    found = list(parts(body, len(operations)))

    assert [each for part in found for each in _told_apart(part)] == operations
    assert [part.count for part in found if isinstance(part, Block)] == [
        len(piece) for piece in pieces if isinstance(piece, list)
    ]
    with pytest.raises(MalformedEnvelope):
        list(parts(body, len(operations) + more))


def test_no_more_is_taken_apart_than_is_announced():
    body = plain.body_of([[_upsert({})] * 2]) + bytes(3_000_000)

    tracemalloc.start()
    found = parts(body, 3)
    assert next(found).count == 2
    with pytest.raises(MalformedEnvelope, match="more than the 3 operations"):
        next(found)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 * len(body)


@given(plain.blocks())
def test_the_collection_of_a_block_is_read_without_the_rest(operations):
    block, alone = plain.block_of(operations).encode(), encode(operations[0])

    assert collection_of([block, alone]) == operations[0].collection


@given(samples.operations)
def test_the_collection_is_read_without_the_rest(operation):
    assert collection_of([encode(operation)] * 2) == operation.collection


def test_operations_of_several_collections_have_none_and_neither_has_nothing():
    of = {name: encode(Operation(ID, Kind.DELETE, name, "k", 1, None)) for name in ("a", "ab", "b")}

    assert collection_of([of["a"], of["ab"]]) is None
    assert collection_of([of["ab"], of["a"]]) is None
    assert collection_of([of["a"], of["b"]]) is None
    assert collection_of([]) is None


@pytest.mark.parametrize("length", [0, 1, 31, 32, 48, 255])
def test_the_collection_is_read_whatever_its_length(length):
    operation = Operation(ID, Kind.DELETE, "x" * length, "k", 1, None)

    assert collection_of([encode(operation)]) == operation.collection


@given(st.lists(samples.operations, max_size=4))
def test_what_many_have_is_decoded_at_once(operations):
    six = [replace(o, not_before_ms=0, expires_ms=0, group_id=None) for o in operations]
    encoded = [encode(operation) for operation in six]
    body = b"".join(encoded)

    assert decode_at_once(body, len(six)) == six
    columns = decode_plain(body, len(six))
    assert columns is None or _made(columns) == six
    assert split(body, len(six)) == encoded
    assert decode_at_once(body, len(six) + 1) is None
    assert decode_at_once(body + b"\xc0", len(six)) is None


@given(st.lists(samples.operations, min_size=1, max_size=3), st.data())
def test_at_once_is_decoded_what_is_decoded_one_by_one_or_nothing(operations, data):
    body = bytearray(b"".join(map(encode, operations)))
    for _ in range(data.draw(st.integers(0, 2))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))

    together = decode_at_once(bytes(body), len(operations))
    columns = decode_plain(bytes(body), len(operations))

    assert columns is None or _made(columns) == together
    if together is not None:
        found = list(decode_all(bytes(body)))
        assert repr(together) == repr([operation for operation, _ in found])  # NaN is not itself
        assert [raw for _, raw in found] == split(bytes(body), len(found))


def test_an_integer_of_ten_thousand_digits_travels():
    data = {"n": 10**10_000 + 1, "m": -(10**10_000)}

    ((operation, _),) = decode_all(encode(_upsert(data)))

    assert operation.data == data


def test_the_order_of_fields_is_kept():
    ((operation, _),) = decode_all(encode(_upsert({"b": 1, "a": 2})))

    assert list(operation.fields) == ["b", "a"]


def test_an_operation_of_the_limit_travels_and_one_byte_more_is_refused():
    room = MAX_OPERATION_BYTES - len(encode(_upsert({"text": "x" * 70_000}))) + 70_000

    assert len(encode(_upsert({"text": "x" * room}))) == MAX_OPERATION_BYTES
    with pytest.raises(OperationTooLarge):
        encode(_upsert({"text": "x" * (room + 1)}))


@pytest.mark.parametrize(
    "rest",
    [
        [{}],
        [{"n": -1}],
        [{"n": True}],
        [{"x": 2**47}],
        [{"g": b"short"}],
        [{"g": "0123456789abcdef"}],
        [{"z": 1}],
        [[1]],
        [{"n": 1}, None],
    ],
)
def test_what_follows_the_data_is_of_the_format_or_refused(rest):
    packed = msgpack.packb([ID, int(Kind.DELETE), "notes", "k", 1, None, *rest])

    with pytest.raises(MalformedEnvelope):
        list(decode_all(packed))


@pytest.mark.parametrize("value", [(1, 2), {1}, object()])
def test_a_type_that_is_not_part_of_the_format_is_refused(value):
    with pytest.raises(InvalidValue):
        encode(_upsert({"a": value}))


@given(samples.operations, st.data())
def test_every_truncation_is_refused(operation, data):
    raw = encode(operation)
    cut = data.draw(st.integers(1, len(raw) - 1))

    with pytest.raises(MalformedEnvelope):
        list(decode_all(raw[:cut]))


@given(st.binary(min_size=1, max_size=60))
def test_any_bytes_are_operations_or_refused(data):
    try:
        for operation, _ in decode_all(data):
            assert operation.version > 0
    except MalformedEnvelope as refusal:
        assert refusal.message  # noqa: PT017 - either way is fine, as long as there is no third


@pytest.mark.parametrize(
    "fields",
    [
        [ID, 1, "notes", "k", 1],
        [ID, 1, "notes", "k", 1, {}, None],
        [ID[:-1], 1, "notes", "k", 1, {}],
        [ID, 0, "notes", "k", 1, {}],
        [ID, 5, "notes", "k", 1, {}],
        [ID, 1, b"notes", "k", 1, {}],
        [ID, 1, "notes", 7, 1, {}],
        [ID, 1, "notes", "k", 0, {}],
        [ID, 1, "notes", "k", 2**63, {}],
        [ID, 1, "notes", "k", 1, None],
        [ID, 1, "notes", "k", 1, []],
        [ID, 3, "notes", "k", 1, {}],
        [ID, 1, "notes", "k", 1, {"a": msgpack.ExtType(99, b"")}],
        [ID, 1, "notes", "k", 1, {"a": msgpack.ExtType(2, b"not a number")}],
        [ID, 1, "notes", "k", 1, {"a": msgpack.ExtType(3, b"2024-13-01")}],
        [ID, 1, "notes", "k", 1, {7: 1}],
        [ID, 1, "notes", "k", 1, {}, 0],
        [ID, 1, "notes", "k", 1, {}, 1, 2],
        [ID, 1, "notes", "k", 1, {}, 0, 0, ID, 7],
        {"id": ID},
        7,
    ],
)
def test_what_does_not_have_the_form_of_an_operation_is_refused(fields):
    packed = msgpack.packb(fields)

    assert decode_at_once(packed, 1) is decode_plain(packed, 1) is None
    with pytest.raises(MalformedEnvelope):
        list(decode_all(packed))


@pytest.mark.parametrize("head", [b"\xdc\x00\x06", b"\xdd\x00\x00\x00\x06"])
def test_how_the_length_of_an_operation_is_spelled_does_not_matter(head):
    packed = head + encode(_upsert({}))[1:]

    assert decode_at_once(packed, 1) == [_upsert({})]
    assert list(decode_all(packed)) == [(_upsert({}), packed)]


def test_deep_nesting_in_hostile_bytes_is_refused():
    hostile = msgpack.packb([ID, 1, "notes", "k", 1])[:-1] + b"\x01" + b"\x91" * 100_000 + b"\x01"

    assert decode_at_once(b"\x96" + hostile[1:], 1) is None
    with pytest.raises(MalformedEnvelope):
        list(decode_all(b"\x96" + hostile[1:]))


def test_a_lone_surrogate_in_hostile_bytes_is_refused():
    packed = encode(_upsert({"a": "xyz"})).replace(b"xyz", b"\xed\xa0\x80")

    assert decode_at_once(packed, 1) is decode_plain(packed, 1) is None
    with pytest.raises(MalformedEnvelope):
        list(decode_all(packed))


def test_no_reader_takes_an_operation_beyond_the_limit():
    packed = msgpack.packb(
        [ID, int(Kind.UPSERT), "notes", "k", 1, {"a": "x" * MAX_OPERATION_BYTES}]
    )

    assert decode_at_once(packed, 1) is decode_plain(packed, 1) is None
    with pytest.raises(MalformedEnvelope):
        list(decode_all(packed))


def test_what_cannot_be_decoded_is_not_shown():
    packed = msgpack.packb([ID, int(Kind.UPSERT), "notes", "k", 1, {"a": "s"}])
    broken = packed.replace(b"\xa1s", b"\xa1\xff")

    with pytest.raises(MalformedEnvelope) as caught:
        list(decode_all(broken))
    assert "xff" not in caught.value.message


def test_what_was_decoded_can_be_cut_however_deep_it_is():
    """The libraries do not stop at the same depth, and Python's releases differ, too."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    try:
        deep = msgpack.packb([ID, 1, "orders", "o", 1, {"a": None}])
        body = deep.replace(b"\xa1a\xc0", b"\xa1a" + b"\x91" * 1500 + b"\xc0")
        assert decode_at_once(body, 1) is not None
        assert split(body, 1) == [body]
    finally:
        sys.setrecursionlimit(limit)


@given(samples.operations)
def test_what_is_simple_is_written_byte_for_byte_as_all_else(operation):
    operation = replace(operation, not_before_ms=0, expires_ms=0, group_id=None)
    simple = operation.data is None or check_document(operation.data)
    fields = [
        operation.id,
        int(operation.kind),
        operation.collection,
        operation.key,
        operation.version,
        operation.data,
    ]

    assert encode_fields(fields, simple=simple) == encode(operation)


@pytest.mark.parametrize("number", [2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**300])
def test_an_integer_of_any_size_is_simple(number):
    fields = [ID, int(Kind.UPSERT), "notes", "k", 1, {"n": number}]

    assert encode_fields(fields, simple=True) == encode(_upsert({"n": number}))
