"""Operations to bytes and back: strict MessagePack, whatever goes in comes out equal.

An operation is the array ``[id, kind, collection, key, version, data]``, followed by a map of what
few operations have: ``n`` (not before, ms), ``x`` (expires, ms) and ``g`` (group id, 16 bytes).
Values that MessagePack does not know travel as extension types, numbered below; lists and dicts are
plain. An operation is encoded once, when it is enqueued: the same bytes go to every target, into
the schedule and into dead letters.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgpack

from syncpipe.core.operation import Kind, Operation
from syncpipe.core.version import MAX_VERSION
from syncpipe.errors import InvalidValue, MalformedEnvelope, OperationTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Largest encoded operation, bytes.
MAX_OPERATION_BYTES = 1024 * 1024

_BIG_INT, _DECIMAL, _DATETIME, _DATE, _TIME, _UUID = 1, 2, 3, 4, 5, 6
_ID_BYTES = 16
#: Milliseconds that fit into a hybrid logical clock stamp.
_MAX_MS = 2**47
#: Members of an operation without what few have.
_MEMBERS = 6
_KINDS = {kind.value: kind for kind in Kind}


def encode(operation: Operation) -> bytes:
    """Return the bytes of *operation*, whose values have been checked.

    Raises:
        OperationTooLarge: they are more than `MAX_OPERATION_BYTES`.

    """
    fields = [
        operation.id,
        operation.kind.value,
        operation.collection,
        operation.key,
        operation.version,
        operation.data,
    ]
    if operation.not_before_ms or operation.expires_ms or operation.group_id:
        fields.append(_rare(operation))
    data = _pack(fields)
    if len(data) > MAX_OPERATION_BYTES:
        raise OperationTooLarge(
            f"The operation has {len(data)} bytes, limit {MAX_OPERATION_BYTES}."
        )
    return data


def decode_all(body: bytes) -> Iterator[tuple[Operation, bytes]]:
    """Yield each operation in *body* with its own bytes, exactly as sent.

    Raises:
        MalformedEnvelope: something in it is not an operation of this format.

    """
    unpacker = msgpack.Unpacker(
        ext_hook=_unpack_extension, strict_map_key=True, max_buffer_size=max(len(body), 1)
    )
    unpacker.feed(body)
    start = 0
    while start < len(body):
        try:
            fields = unpacker.unpack()
        except Exception as fault:  # the library raises many kinds for malformed bytes
            raise MalformedEnvelope(
                f"Operation bytes cannot be decoded: {type(fault).__name__}."
            ) from fault
        end = unpacker.tell()
        if end - start > MAX_OPERATION_BYTES:
            raise MalformedEnvelope(f"An operation is larger than {MAX_OPERATION_BYTES} bytes.")
        yield _operation(fields), body[start:end]
        start = end


def _rare(operation: Operation) -> dict[str, int | bytes]:
    """Return what few operations have, without what this one has not."""
    members = {"n": operation.not_before_ms, "x": operation.expires_ms, "g": operation.group_id}
    return {name: value for name, value in members.items() if value}


def _operation(fields: Any) -> Operation:
    if type(fields) is list and len(fields) >= _MEMBERS:
        id_, kind, collection, key, version, data, *rest = fields
        if (
            _is_id(id_)
            and type(kind) is type(version) is int
            and type(collection) is type(key) is str
            and kind in _KINDS
            and 0 < version <= MAX_VERSION
            and (data is None if kind == Kind.DELETE else type(data) is dict)
        ):
            plain = Operation(id_, _KINDS[kind], collection, key, version, data)
            return _with_rare(plain, *rest) if rest else plain
    raise MalformedEnvelope("An operation does not have the form of this format.")


def _with_rare(plain: Operation, rare: Any, *more: Any) -> Operation:
    if not more and type(rare) is dict and rare and rare.keys() <= {"n", "x", "g"}:
        not_before_ms, expires_ms, group_id = rare.get("n", 0), rare.get("x", 0), rare.get("g")
        times = all(type(ms) is int and 0 <= ms < _MAX_MS for ms in (not_before_ms, expires_ms))
        if times and (group_id is None or _is_id(group_id)):
            return replace(
                plain, not_before_ms=not_before_ms, expires_ms=expires_ms, group_id=group_id
            )
    raise MalformedEnvelope("What follows an operation's data is not of this format.")


def _is_id(value: Any) -> bool:
    return type(value) is bytes and len(value) == _ID_BYTES


def _pack(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value, default=_pack_extension, strict_types=True)
    return packed


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

_UNPACKERS: dict[int, Callable[[bytes], Any]] = {
    _BIG_INT: lambda data: int.from_bytes(data, "big", signed=True),
    _DECIMAL: lambda data: Decimal(data.decode()),
    _DATETIME: lambda data: dt.datetime.fromisoformat(data.decode()),
    _DATE: lambda data: dt.date.fromisoformat(data.decode()),
    _TIME: lambda data: dt.time.fromisoformat(data.decode()),
    _UUID: lambda data: uuid.UUID(bytes=data),
}


def _unpack_extension(code: int, data: bytes) -> Any:
    unpacker = _UNPACKERS.get(code)
    if unpacker is None:
        raise MalformedEnvelope(f"Extension type {code} is not part of this format.")
    return unpacker(data)
