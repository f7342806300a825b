"""The sealed bytes of one to many operations of one lane and priority: one Celery message.

.. code-block:: text

    offset  size  what
    0       3     magic "SPE"
    3       1     format, 1 or 2
    4       4     length of the whole envelope, big endian
    8       16    BLAKE2b (RFC 7693) over everything except these 16 bytes
    24      2     length of the header, big endian
    26      …     header: a MessagePack array, in clear
    …       …     body: operations (see `codec`) and blocks of them (see `block`), compressed when
                  that pays

The header's members are those of `Header`, with the codec, the length of the raw body and the id of
a key (none yet) after the time. The codec is "none", "zstd", or the id, as bytes, of the dictionary
that it takes. What follows the trace context is there only if it is needed: earlier attempts, and
after them, perhaps of none, the id of a replay.

The checksum is checked before anything is parsed. Decompression stops at a cap whatever the frame
declares. Format 2 is that of bodies in which there are blocks; what can be written in format 1 is.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

import msgpack
import msgspec

from syncpipe.core import block
from syncpipe.core.attempt import Attempt, attempts_of
from syncpipe.core.codec import collection_of
from syncpipe.core.compression import (
    ID_BYTES,
    MOST_WITH_DICTIONARY,
    NO_DICTIONARIES,
    PLAIN,
    compress,
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from syncpipe.core.compression import Dictionary

    #: Returns the dictionary with an id, or raises DictionaryMissing or DictionaryUnreadable.
    Find = Callable[[bytes], Dictionary]

#: The formats: of operations alone, and of what blocks are among.
ROWS, BLOCKS = 1, 2
#: Largest envelope, and largest body after decompression, bytes.
MAX_ENVELOPE_BYTES, MAX_BODY_BYTES = 8 * 1024 * 1024, 16 * 1024 * 1024
#: Most operations in one envelope.
MAX_OPERATIONS = block.MAX_OPERATIONS
_MAGIC = b"SPE"
#: How a header spells priorities; asking an enumeration for a value takes two calls.
_SPELLED = {priority: priority.value for priority in Priority}
_PREFIX = struct.Struct(">3sBI16sH")
_FORMAT_AT, _DIGEST_AT, _DIGEST_END = 3, 8, 24


class Header(msgspec.Struct, frozen=True):
    """What is readable about an envelope without its body."""

    #: Envelope id, 16 bytes; the message's id in the broker.
    id: bytes
    #: Where it goes.
    lane: Lane
    #: How urgent it is.
    priority: Priority
    #: How many operations it carries.
    count: int
    #: Milliseconds since the Unix epoch at which it was sealed.
    created_ms: int
    #: Trace context (W3C traceparent) of the producer, if there is one.
    trace: str | None = None
    #: Earlier attempts at its operations; who is tried again travels alone, or with its like.
    attempts: tuple[Attempt, ...] = ()
    #: Id of the replay that sends its operations again, 16 bytes, if one does.
    replay: bytes | None = None


class Envelope(msgspec.Struct, frozen=True):
    """An opened envelope."""

    #: Its header.
    header: Header
    #: The bytes of operations and blocks, one after the other.
    body: bytes
    #: Its format.
    format: int = ROWS


def without_dictionaries(id_: bytes) -> Dictionary:
    """Find no dictionary."""
    raise DictionaryMissing(f"The envelope needs the dictionary {id_.hex()}, and there are none.")


def seal(
    header: Header,
    operations: Sequence[bytes],
    dictionaries: Mapping[str, Dictionary] = NO_DICTIONARIES,
    *,
    format_: int = ROWS,
) -> bytes:
    """Return the envelope of *operations*, each encoded by `codec.encode`.

    In the *format_* `BLOCKS` there may be blocks among them.

    If they are few and all of one collection that has one of the *dictionaries*, it is used.

    Raises:
        EnvelopeTooLarge: it exceeds `MAX_ENVELOPE_BYTES` or `MAX_OPERATIONS`, or its body
            `MAX_BODY_BYTES`.

    """
    if len(operations) > MAX_OPERATIONS:
        raise EnvelopeTooLarge(f"There are {len(operations)} operations, limit {MAX_OPERATIONS}.")
    raw = b"".join(operations)
    if len(raw) > MAX_BODY_BYTES:
        raise EnvelopeTooLarge(f"The body has {len(raw)} bytes, limit {MAX_BODY_BYTES}.")
    codec, body = compress(raw, _dictionary(raw, operations, dictionaries))
    fields: list[Any] = [
        header.id,
        header.lane.target,
        header.lane.shard,
        _SPELLED[header.priority],
        header.count,
        header.created_ms,
        codec,
        len(raw),
        None,
        header.trace,
    ]
    if header.attempts or header.replay:
        fields.append(header.attempts)
    if header.replay:
        fields.append(header.replay)
    packed: bytes = msgpack.packb(fields, unicode_errors="replace")
    total = _PREFIX.size + len(packed) + len(body)
    if total > MAX_ENVELOPE_BYTES:
        raise EnvelopeTooLarge(f"The envelope has {total} bytes, limit {MAX_ENVELOPE_BYTES}.")
    unsigned = _PREFIX.pack(_MAGIC, format_, total, bytes(16), len(packed)) + packed + body
    return unsigned[:_DIGEST_AT] + _digest(unsigned) + unsigned[_DIGEST_END:]


def unseal(data: bytes, find: Find = without_dictionaries) -> Envelope:
    """Return the envelope in *data*; *find* returns the dictionary that it needs.

    Raises:
        DictionaryMissing: *find* does not have it.
        DictionaryUnreadable: *find* cannot tell now.
        EnvelopeError: *data* is no envelope, was cut or altered, is too large, or of another
        format.

    """
    header_end = _check_prefix(data)
    header, codec, raw_length = _header(data[_PREFIX.size : header_end])
    body = _decompress(codec, data[header_end:], raw_length, find)
    return Envelope(header, body, data[_FORMAT_AT])


def peek(data: bytes) -> tuple[int, int]:
    """Return how many operations *data* claims to hold, and in how many bytes when unpacked.

    Both are 0 if that cannot be told, or is more than an envelope may hold. Nothing else is
    checked: this serves to size batches, before an envelope is opened. What claims too little is
    never unpacked.
    """
    if not data.startswith(_MAGIC) or len(data) < _PREFIX.size:
        return 0, 0
    header_end = _PREFIX.size + _PREFIX.unpack_from(data)[4]
    try:
        header, _, raw_length = _header(data[_PREFIX.size : header_end])
    except EnvelopeError:
        return 0, 0
    return (header.count, raw_length) if raw_length <= MAX_BODY_BYTES else (0, 0)


def _dictionary(
    raw: bytes, operations: Sequence[bytes], dictionaries: Mapping[str, Dictionary]
) -> Dictionary | None:
    if not dictionaries or len(raw) > MOST_WITH_DICTIONARY:
        return None
    collection = collection_of(operations)
    return dictionaries.get(collection) if collection else None


def _check_prefix(data: bytes) -> int:
    if len(data) > MAX_ENVELOPE_BYTES:
        raise EnvelopeTooLarge(f"{len(data)} bytes, limit {MAX_ENVELOPE_BYTES}.")
    if not data.startswith(_MAGIC[: len(data)]) or not data:
        raise NotAnEnvelope("The bytes do not begin with the magic of an envelope.")
    if len(data) < _PREFIX.size:
        raise EnvelopeTruncated(f"Only {len(data)} bytes.")
    _, version, total, digest, header_length = _PREFIX.unpack_from(data)
    if version not in {ROWS, BLOCKS}:
        raise UnknownFormat(
            f"The envelope has format {version}; this release reads {ROWS} and {BLOCKS}."
        )
    if len(data) < total:
        raise EnvelopeTruncated(f"Only {len(data)} of {total} bytes.")
    if digest != _digest(data) or len(data) != total:
        raise ChecksumMismatch("The checksum does not fit the bytes.")
    header_end: int = _PREFIX.size + header_length
    if header_end > total:
        raise MalformedEnvelope("The header is longer than the envelope.")
    return header_end


def _header(packed: bytes) -> tuple[Header, Any, int]:
    try:
        fields = msgpack.unpackb(packed)
        id_, target, shard, priority, count, created_ms, codec, raw_length, key_id, *rest = fields
        lane = Lane(target, shard)
        header = Header(id_, lane, Priority(priority), count, created_ms, *_rest(*rest))
    except Exception as fault:  # the library raises many kinds for malformed bytes
        raise MalformedEnvelope(f"The header cannot be read: {type(fault).__name__}.") from fault
    if key_id is not None or not _typed(header, raw_length):
        raise MalformedEnvelope("The header does not have the form of this format.")
    if not header.count:
        raise MalformedEnvelope("It holds no operation.")
    if header.count > MAX_OPERATIONS:
        raise EnvelopeTooLarge(f"It holds {header.count} operations, limit {MAX_OPERATIONS}.")
    return header, codec, raw_length


def _rest(
    trace: Any, attempts: Any = None, replay: Any = None
) -> tuple[Any, tuple[Attempt, ...], Any]:
    """Return the members after the id of a key, of which those that are not needed are missing."""
    return trace, () if attempts is None else attempts_of(attempts), replay


def _typed(header: Header, raw_length: Any) -> bool:
    integers = (header.lane.shard, header.count, header.created_ms, raw_length)
    return (
        _is_id(header.id)
        and (header.replay is None or _is_id(header.replay))
        and isinstance(header.lane.target, str)
        and all(type(value) is int and value >= 0 for value in integers)
        and (header.trace is None or isinstance(header.trace, str))
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == 16  # noqa: PLR2004 - bytes of a UUID


def _decompress(codec: Any, body: bytes, raw_length: int, find: Find) -> bytes:
    if raw_length > MAX_BODY_BYTES:
        raise EnvelopeTooLarge(f"The body claims {raw_length} bytes, limit {MAX_BODY_BYTES}.")
    match codec:
        case "none":
            raw = body
        case "zstd":
            raw = PLAIN.decompress(body, raw_length)
        case bytes() if len(codec) == ID_BYTES:
            raw = find(codec).decompress(body, raw_length)
        case _:
            raise MalformedEnvelope(f"The codec {codec!r} is not part of this format.")
    if len(raw) != raw_length:
        raise MalformedEnvelope(f"The body has {len(raw)} bytes, its header says {raw_length}.")
    return raw


def _digest(data: bytes) -> bytes:
    hasher = hashlib.blake2b(digest_size=16)
    hasher.update(memoryview(data)[:_DIGEST_AT])
    hasher.update(memoryview(data)[_DIGEST_END:])
    return hasher.digest()
