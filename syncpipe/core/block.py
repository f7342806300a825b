"""Upserts of one collection side by side, with a column for each member.

This is the form of what is sent in bulk. A hundred columns are written, packed and checked in a
fraction of the time that a hundred operations take, and documents are written once, as the JSON
text in which they go on (see `carried`): nobody on the way makes a dict of each.

A block is the MessagePack array ``[collection, ids, version, keys, documents]``. Ids are 16 bytes
each, one after the other; of the versions, which follow each other, it is the first; documents are
one line of JSON each. A document whose text would need a tag, see `document`, is not tagged here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from syncpipe.core import lines
from syncpipe.core.operation import ID_BYTES, Kind, Operation, Version
from syncpipe.core.version import MAX_VERSION
from syncpipe.errors import MalformedEnvelope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.carried import Carried

#: How a block begins; operations are longer arrays.
MARK = b"\x95"
#: Most operations in a block, or in an envelope: small ones unpack to much more memory than they
#: travel with.
MAX_OPERATIONS = 10_000

#: A collection's name; each operation has it when it travels alone, so it must not be long.
_Name = Annotated[str, msgspec.Meta(max_length=255)]
#: A key; of what is longer by far than any can be, no operation is made.
_Key = Annotated[str, msgspec.Meta(max_length=4096)]
_Keys = Annotated[list[_Key], msgspec.Meta(min_length=1, max_length=MAX_OPERATIONS)]


class Block(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The columns of a block."""

    #: Name of the collection.
    collection: _Name
    #: Ids, UUIDv7s of 16 bytes.
    ids: bytes
    #: The first version; each further one is one more.
    version: Version
    #: Canonical key texts.
    keys: _Keys
    #: Documents: JSON objects, each with the line feed that ends it.
    documents: bytes

    @property
    def count(self) -> int:
        """How many operations it holds."""
        return len(self.keys)

    @property
    def versions(self) -> range:
        """Its versions."""
        return range(self.version, self.version + self.count)

    def encode(self) -> bytes:
        """Return its bytes."""
        return _ENCODER.encode(self)

    def separate_ids(self) -> list[bytes]:
        """Return its ids one by one."""
        return [self.ids[at : at + ID_BYTES] for at in range(0, len(self.ids), ID_BYTES)]

    def read(self) -> list[Carried | Mapping[str, Any]]:
        """Return its documents as they go on.

        Raises:
            MalformedEnvelope: its columns are not equally long, or a document is not JSON.

        """
        number = self.count
        if len(self.ids) != number * ID_BYTES or self.versions[-1] > MAX_VERSION:
            raise MalformedEnvelope("The columns of a block are not equally long.")
        return lines.read(self.documents, number)

    def operations(self, data: Sequence[Carried | Mapping[str, Any]]) -> list[Operation]:
        """Return its operations with *data*, which `read` has returned."""
        upsert, name = Kind.UPSERT, self.collection
        return [
            Operation(id_, upsert, name, key, version, document)
            for id_, key, version, document in zip(
                self.separate_ids(), self.keys, self.versions, data, strict=True
            )
        ]


def decode_block(raw: bytes) -> Block:
    """Return the block in *raw*.

    Raises:
        MalformedEnvelope: it is none.

    """
    try:
        return _DECODER.decode(raw)
    except Exception as fault:  # the library raises many kinds for malformed bytes
        raise MalformedEnvelope(f"A block cannot be read: {type(fault).__name__}.") from fault


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Block)
