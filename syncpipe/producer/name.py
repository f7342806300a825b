"""What errors call an operation."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from syncpipe.core.operation import ID_BYTES


class Name(NamedTuple):
    """What an error calls an operation of which nobody holds a receipt."""

    #: Its id, as people write it.
    id: str
    #: Its version.
    version: int

    @classmethod
    def of(cls, operation_id: bytes, version: int) -> Name:
        """Return the name of the operation with that id, 16 bytes."""
        return cls(str(uuid.UUID(bytes=operation_id)), version)

    @classmethod
    def among(cls, ids: bytes, version: int, number: int) -> Name:
        """Return the name of the operation of that *number*, from 0, of several.

        Of their ids, 16 bytes each, and of their versions, each one more, *version* is the first.
        """
        return cls.of(ids[number * ID_BYTES : (number + 1) * ID_BYTES], version + number)
