"""One intended change to one record."""

from __future__ import annotations

import enum
import uuid
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from syncpipe.core.carried import Carried
from syncpipe.core.version import MAX_VERSION, Stamp, tie_of


class Kind(enum.IntEnum):
    """What an operation does; the numbers are part of the wire format."""

    #: Set every field and remove the others.
    UPSERT = 1
    #: Replace the named top-level fields whole; None removes a field.
    PATCH = 2
    #: Remove everything older.
    DELETE = 3
    #: Add to numbers.
    INCREMENT = 4

    @property
    def word(self) -> str:
        """The name in lower case, as the command line and logs write it."""
        return self.name.lower()


#: How far ahead an operation may be delayed, and how long it may wait to expire: a leap year in ms.
MAX_DELAY_MS = 366 * 24 * 3600 * 1000
#: Kinds by the word that people write.
KINDS = {kind.word: kind for kind in Kind}


#: With so many bytes an id begins that tell when it was made.
CREATED_BYTES = 6
#: Bytes of an id.
ID_BYTES = 16
#: The bits of its time.
_TIME = (1 << 8 * CREATED_BYTES) - 1
#: Bytes of a UUIDv7 after its time, which bits of them are free, and what the others are.
_END_BYTES, _END_FREE, _END_FIXED = 10, 0x0FFF_3FFF_FFFF_FFFF_FFFF, 0x7000_8000_0000_0000_0000

#: 16 bytes.
Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
#: What orders operations on a record.
Version = Annotated[int, msgspec.Meta(ge=1, le=MAX_VERSION)]
#: Fields (upsert, patch), amounts (increment), or None (delete).
Contents = Mapping[str, Any] | None
#: The same, read or not.
Data = Contents | Carried
#: Milliseconds since the Unix epoch that fit into a hybrid logical clock stamp.
Milliseconds = Annotated[int, msgspec.Meta(ge=0, lt=2**47)]


class Operation(msgspec.Struct, frozen=True, gc=False):
    """One intended change to the record ``(collection, key)``.

    The same id, version and content travel to every target and come back in every retry. It is a
    struct because there are very many. The garbage collector need not look at them, because none
    can be part of a cycle.
    """

    #: UUIDv7.
    id: Id
    #: What it does.
    kind: Kind
    #: Name of the collection.
    collection: str
    #: Canonical key text, see :mod:`syncpipe.core.keys`.
    key: str
    #: What orders it among the operations of its record.
    version: Version
    #: Fields (upsert, patch), amounts (increment), or None (delete).
    data: Data
    #: Not to be applied before this; 0 is at once.
    not_before_ms: int = 0
    #: Not to be tried from this on; 0 is never.
    expires_ms: int = 0
    #: Group whose members are compensated when one of them ends dead.
    group_id: Id | None = None

    @property
    def stamp(self) -> Stamp:
        """Version and tie."""
        return Stamp(self.version, tie_of(self.id))

    @property
    def contents(self) -> Contents:
        """What is in the data, None for a delete."""
        return self.data.fields if isinstance(self.data, Carried) else self.data

    @property
    def fields(self) -> Mapping[str, Any]:
        """What is in the data, nothing for a delete."""
        return self.contents or {}

    @property
    def uuid(self) -> str:
        """The id as people write it."""
        return str(uuid.UUID(bytes=self.id))


def uuid7(now_ms: int, random_bits: int) -> bytes:
    """Return a UUIDv7 (RFC 9562, section 5.7) of *now_ms* and 74 *random_bits*."""
    value = (now_ms & (2**48 - 1)) << 80 | 7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    value |= 2 << 62 | random_bits & (2**62 - 1)
    return value.to_bytes(16, "big")


def uuid7_ends(random_bits: int, number: int) -> list[bytes]:
    """Return what follows the 6 bytes of time in so many UUIDv7s, of 80 *random_bits* for each."""
    ones = int.from_bytes((bytes(_END_BYTES - 1) + b"\1") * number, "big")
    ends = (random_bits & _END_FREE * ones | _END_FIXED * ones).to_bytes(_END_BYTES * number, "big")
    return [ends[start : start + _END_BYTES] for start in range(0, len(ends), _END_BYTES)]


def uuid7s(now_ms: int, random_bits: int, number: int) -> bytes:
    """Return so many UUIDv7s of *now_ms*, one after the other, of 128 *random_bits* for each."""
    ones = int.from_bytes((bytes(ID_BYTES - 1) + b"\1") * number, "big")
    fixed = (now_ms & _TIME) << 8 * _END_BYTES | _END_FIXED
    return (random_bits & _END_FREE * ones | fixed * ones).to_bytes(ID_BYTES * number, "big")


def created_ms(operation_id: bytes) -> int:
    """Return the milliseconds since the Unix epoch inside a UUIDv7; its beginning will do."""
    return int.from_bytes(operation_id[:CREATED_BYTES], "big")
