"""Operations to bytes and back: strict MessagePack, whatever goes in comes out equal.

An operation is the array ``[id, kind, collection, key, version, data]``, followed by a map of what
few operations have: ``n`` (not before, ms), ``x`` (expires, ms) and ``g`` (group id, 16 bytes).
Values that MessagePack does not know travel as extension types, numbered below; lists and dicts are
plain. An operation is encoded once, when it is enqueued: the same bytes go to every target, into
the schedule and into dead letters. What is sent in bulk travels in a `block` instead; whoever wants
the bytes of an operation in one gets those with which it would have travelled alone.

msgspec reads, because it makes and checks values in one step. It writes what is simple; it would
write decimals, times and UUIDs in ways of its own, so msgpack writes the rest.
"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, groupby, islice, starmap
from typing import TYPE_CHECKING, Any, NamedTuple

import msgpack
import msgspec

from syncpipe.core.block import MARK, Block, decode_block
from syncpipe.core.carried import Carried
from syncpipe.core.lines import PlainDocument, carried
from syncpipe.core.operation import Contents, Data, Id, Kind, Milliseconds, Operation, Version
from syncpipe.errors import (
    InvalidValue,
    MalformedEnvelope,
    OperationTooLarge,
    SyncpipeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

#: Largest encoded operation, bytes.
MAX_OPERATION_BYTES = 1024 * 1024

_BIG_INT, _DECIMAL, _DATETIME, _DATE, _TIME, _UUID = 1, 2, 3, 4, 5, 6
#: Where an operation's collection begins, behind an id of 16 bytes and a kind: with its length, if
#: it has at most 31 characters, or else with a mark before its length.
_COLLECTION_AT, _SHORT, _LONG = 20, 0x1F, 0xD9
#: An operation that has nothing of what few have begins as an array of six; writers spell it short.
_SIX = (b"\x96", b"\xdc\x00\x06", b"\xdd\x00\x00\x00\x06")
#: How an array of a given length begins, in the spelling that fits any.
_ARRAY = struct.Struct(">BI")
_ARRAY_CODE = 0xDD


class _Rare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What few operations have."""

    n: Milliseconds = 0
    x: Milliseconds = 0
    g: Id | None = None


class Columns(NamedTuple):
    """What is in several operations, member by member."""

    #: Their ids.
    ids: tuple[bytes, ...]
    #: Their kinds.
    kinds: tuple[Kind, ...]
    #: Names of their collections.
    collections: tuple[str, ...]
    #: Their keys.
    keys: tuple[str, ...]
    #: Their versions.
    versions: tuple[int, ...]
    #: What is in their data.
    contents: tuple[Contents, ...]
    #: Their data, as they go on.
    data: Sequence[Data]


@dataclass(frozen=True, slots=True)
class Rows:
    """Operations one after the other."""

    #: Their bytes.
    body: bytes
    #: How many they are.
    count: int


def encode(operation: Operation) -> bytes:
    """Return the bytes of *operation*, whose values have been checked.

    Raises:
        OperationTooLarge: they are more than `MAX_OPERATION_BYTES`.

    """
    fields = [
        operation.id,
        int(operation.kind),
        operation.collection,
        operation.key,
        operation.version,
        operation.contents,
    ]
    if operation.not_before_ms or operation.expires_ms or operation.group_id:
        fields.append(_rare(operation))
    return encode_fields(fields, simple=False)


def encode_fields(fields: list[Any], *, simple: bool) -> bytes:
    """Return the bytes of the operation of *fields*, as `encode` without making one.

    They are id, kind (an exact int), collection, key, version and data, which may be *simple*, as
    `check_document` says. Raises the same.
    """
    try:
        data = _SIMPLE.encode(fields) if simple else _packed(fields)
    except OverflowError:  # an integer of more than 64 bits
        data = _packed(fields)
    if len(data) > MAX_OPERATION_BYTES:
        raise OperationTooLarge(
            f"The operation has {len(data)} bytes, limit {MAX_OPERATION_BYTES}."
        )
    return data


def decode_all(body: bytes) -> Iterator[tuple[Operation, bytes]]:
    """Yield each operation in *body* with its own bytes.

    Raises:
        MalformedEnvelope: something in it is neither an operation of this format nor a block.

    """
    pieces = _pieces(body)
    while True:
        try:
            raw = next(pieces, b"")
            if not raw:
                return
            found = _in_block(raw) if _is_block(raw) else [(_decode(raw), raw)]
        except SyncpipeError:
            raise
        except Exception as fault:  # the libraries raise many kinds for malformed bytes
            raise MalformedEnvelope(
                f"Operation bytes cannot be decoded: {type(fault).__name__}."
            ) from fault
        yield from found


def decode_at_once(body: bytes, count: int) -> list[Operation] | None:
    """Return what `decode_all` yields for *body*, without the bytes, twice as fast.

    None unless *body* holds *count* operations, all well, and each without what few have:
    `decode_all` knows more then.
    """
    found = _decode_at_once(_MANY, body, count)
    return None if found is None else list(starmap(Operation, found))


def decode_plain(body: bytes, count: int) -> Columns | None:
    """Return what is in the operations that `decode_at_once` returns.

    None, too, unless all of their data are `PlainDocument`.
    """
    found = _decode_at_once(_MANY_PLAIN, body, count)
    if not found:
        return None
    ids, kinds, collections, keys, versions, contents = zip(*found, strict=True)
    return Columns(ids, kinds, collections, keys, versions, contents, carried(contents))


def _decode_at_once(
    decoder: msgspec.msgpack.Decoder[list[_Six]], body: bytes, count: int
) -> list[_Six] | None:
    # A body of the size of one operation holds none that is larger.
    if len(body) > MAX_OPERATION_BYTES:
        return None
    try:
        found = decoder.decode(_ARRAY.pack(_ARRAY_CODE, count) + body)
    except Exception:  # noqa: BLE001 - whatever it is, it is found again, and said for which of them
        return None
    delete = Kind.DELETE
    odd = [kind for _, kind, _, _, _, data in found if (data is None) is not (kind is delete)]
    return None if odd else found


def parts(body: bytes, count: int) -> Iterator[Block | Rows]:
    """Yield what is in *body*, *count* operations in all; single ones side by side together.

    Raises:
        MalformedEnvelope: it cannot be told apart, holds what begins like a block and is none, or
            another number of operations. No more than that is ever taken apart.

    """
    try:
        pieces = list(islice(_pieces(body), count + 1))
    except Exception as fault:  # the library raises many kinds for malformed bytes
        raise MalformedEnvelope(f"It cannot be read: {type(fault).__name__}.") from fault
    left = count
    for are_blocks, alike in groupby(pieces, key=_is_block):
        for part in map(decode_block, alike) if are_blocks else [_together(list(alike))]:
            left -= part.count
            if left < 0:
                raise MalformedEnvelope(f"It holds more than the {count} operations announced.")
            yield part
    if left:
        raise MalformedEnvelope(f"It holds {count - left} of the {count} operations announced.")


def split(body: bytes, count: int) -> list[bytes]:
    """Return the bytes of each of the *count* operations in *body*, which were decoded before."""
    try:
        pieces = list(map(bytes, _RAWS.decode(_ARRAY.pack(_ARRAY_CODE, count) + body)))
    except (msgspec.MsgspecError, RecursionError):  # blocks are among them, or one is very deep
        pieces = list(_pieces(body))
    return list(chain.from_iterable(map(_raws, pieces)))


def collection_of(pieces: Iterable[bytes]) -> str | None:
    """Return the collection of all *pieces*, operations and blocks as encoded; None of several.

    Of none, too, it is None.
    """
    names = set(map(_collection_in, pieces))
    return names.pop().decode() if len(names) == 1 else None


def _collection_in(piece: bytes) -> bytes:
    at = 1 if _is_block(piece) else _COLLECTION_AT
    length, begin = piece[at] & _SHORT, at + 1
    if piece[at] == _LONG:
        length, begin = piece[begin], begin + 1
    return piece[begin : begin + length]


def _in_block(raw: bytes) -> list[tuple[Operation, bytes]]:
    block = decode_block(raw)
    contents = [each.fields if isinstance(each, Carried) else each for each in block.read()]
    return [(operation, encode(operation)) for operation in block.operations(contents)]


def _raws(piece: bytes) -> Iterable[bytes]:
    return [raw for _, raw in _in_block(piece)] if _is_block(piece) else (piece,)


def _together(rows: list[bytes]) -> Rows:
    return Rows(b"".join(rows), len(rows))


def _is_block(raw: bytes) -> bool:
    return raw[:1] == MARK


def _pieces(body: bytes) -> Iterator[bytes]:
    """Yield the bytes of each value in *body*. The library raises what it likes for others."""
    splitter = msgpack.Unpacker(max_buffer_size=max(len(body), 1))
    splitter.feed(body)
    start = 0
    while start < len(body):
        splitter.skip()
        end = splitter.tell()
        yield body[start:end]
        start = end


def _packed(fields: list[Any]) -> bytes:
    try:
        packer = _PACKERS_AT_REST.pop()
    except IndexError:
        packer = msgpack.Packer(default=_pack_extension, strict_types=True)
    data: bytes = packer.pack(fields)
    _PACKERS_AT_REST.append(packer)
    return data


def _rare(operation: Operation) -> dict[str, int | bytes]:
    """Return what few operations have, without what this one has not."""
    members = {"n": operation.not_before_ms, "x": operation.expires_ms, "g": operation.group_id}
    return {name: value for name, value in members.items() if value}


def _decode(raw: bytes) -> Operation:
    """Return the operation in *raw*. The library raises what it likes for malformed bytes."""
    if len(raw) > MAX_OPERATION_BYTES:
        raise MalformedEnvelope(f"An operation is larger than {MAX_OPERATION_BYTES} bytes.")
    six = raw.startswith(_SIX)
    operation = Operation(*_ONE.decode(raw)) if six else _decode_with_rare(raw)
    if (operation.data is None) is not (operation.kind is Kind.DELETE):
        raise MalformedEnvelope("An operation does not have the form of this format.")
    return operation


def _decode_with_rare(raw: bytes) -> Operation:
    id_, kind, collection, key, version, data, rare = _SEVEN.decode(raw)
    if rare == _Rare():
        raise MalformedEnvelope("What follows an operation's data is not of this format.")
    return Operation(id_, kind, collection, key, version, data, rare.n, rare.x, rare.g)


def _pack_extension(value: Any) -> msgpack.ExtType:
    packer = _PACKERS.get(type(value))
    if packer is None:
        raise InvalidValue(f"A {type(value).__name__} cannot travel.")
    return msgpack.ExtType(*packer(value))


def _pack_int(value: int) -> tuple[int, bytes]:
    return _BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


_PACKERS: dict[type, Callable[[Any], tuple[int, bytes]]] = {
    int: _pack_int,
    Decimal: lambda value: (_DECIMAL, str(value).encode()),
    dt.datetime: lambda value: (_DATETIME, value.isoformat().encode()),
    dt.date: lambda value: (_DATE, value.isoformat().encode()),
    dt.time: lambda value: (_TIME, value.isoformat().encode()),
    uuid.UUID: lambda value: (_UUID, value.bytes),
}

#: Writes what MessagePack knows, byte for byte as the packers below, in half the time.
_SIMPLE = msgspec.msgpack.Encoder()
#: Packers that nobody uses now: making one takes longer than packing. One that is in use, or has
#: met a fault, is not here, so that no thread or signal handler comes upon half of others' bytes.
_PACKERS_AT_REST: list[msgpack.Packer] = []

_UNPACKERS: dict[int, Callable[[bytes], Any]] = {
    _BIG_INT: lambda data: int.from_bytes(data, "big", signed=True),
    _DECIMAL: lambda data: Decimal(data.decode()),
    _DATETIME: lambda data: dt.datetime.fromisoformat(data.decode()),
    _DATE: lambda data: dt.date.fromisoformat(data.decode()),
    _TIME: lambda data: dt.time.fromisoformat(data.decode()),
    _UUID: lambda data: uuid.UUID(bytes=data),
}


def _unpack_extension(code: int, data: memoryview) -> Any:
    unpacker = _UNPACKERS.get(code)
    if unpacker is None:
        raise MalformedEnvelope(f"Extension type {code} is not part of this format.")
    return unpacker(bytes(data))


#: The members of an operation that has nothing of what few have.
_Six = tuple[Id, Kind, str, str, Version, Contents]
_ONE = msgspec.msgpack.Decoder(_Six, ext_hook=_unpack_extension)
_MANY = msgspec.msgpack.Decoder(list[_Six], ext_hook=_unpack_extension)
_MANY_PLAIN = msgspec.msgpack.Decoder(list[tuple[Id, Kind, str, str, Version, PlainDocument]])
_RAWS = msgspec.msgpack.Decoder(list[msgspec.Raw])
_SEVEN = msgspec.msgpack.Decoder(
    tuple[Id, Kind, str, str, Version, Contents, _Rare], ext_hook=_unpack_extension
)
