"""What undoes an applied member of a group that did not come about, as its collection declares it.

An undoing operation has an id of its own that anybody would give it, so that however often it is
made and sent it is one operation.

Its version says what it undoes. The negation of an increment stands directly behind it, at the same
version and with the next tie: it counts exactly where the increment counts, and what has set the
number since stays. So does everything in collections whose versions come from the source. Other
operations are as new as the moment at which they are made: they win against all that was written
until then, and lose against what comes later.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from syncpipe.core.collection import VersionSource
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.version import next_version

if TYPE_CHECKING:
    from syncpipe.core.collection import Collection
    from syncpipe.core.routing import Priority

#: Undoes upserts and patches: the record is deleted.
DELETE = "delete"
#: Undoes increments: the amounts are added with the other sign.
NEGATE = "negate"
_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_FUNCTION = re.compile(rf"{_NAME}:{_NAME}", re.ASCII)
#: The bits of a UUID below its version, and below its variant.
_HIGH_BITS, _LOW_BITS = 12, 62


@dataclass(frozen=True, slots=True)
class Compensation:
    """What is sent to undo one operation."""

    #: The undoing operation.
    operation: Operation
    #: Its bytes.
    raw: bytes
    #: How urgent it is.
    priority: Priority


def is_function(form: str) -> bool:
    """Whether *form* names a function, ``package.module:function``."""
    return _FUNCTION.fullmatch(form) is not None


def compensation_id(operation: Operation) -> bytes:
    """Return the id of what undoes *operation*, which has a group: a UUIDv7 of the same moment.

    Its last 64 bits, the tie, are those that follow the operation's.
    """
    number = int.from_bytes(operation.id, "big")
    subject = b"".join((b"compensation\0", operation.group_id or b"", operation.id))
    digest = int.from_bytes(hashlib.blake2b(subject, digest_size=2).digest(), "big")
    high = number >> 64 & ~(2**_HIGH_BITS - 1) | digest & (2**_HIGH_BITS - 1)
    low = 2 << _LOW_BITS | (number + 1) & (2**_LOW_BITS - 1)
    value: int = high << 64 | low
    return value.to_bytes(16, "big")


def own_version(operation: Operation, collection: Collection, now_ms: int) -> int:
    """Return the version of what undoes *operation*, unless that is an increment, at *now_ms*."""
    if collection.version is VersionSource.SOURCE:
        return operation.version
    return next_version(now_ms, after=operation.version)


def undoing(operation: Operation, collection: Collection, now_ms: int) -> Operation | None:
    """Return what undoes *operation* where its *collection* names no function; None: nothing."""
    id_ = compensation_id(operation)
    if collection.compensation == DELETE and operation.kind in {Kind.UPSERT, Kind.PATCH}:
        version = own_version(operation, collection, now_ms)
        return Operation(id_, Kind.DELETE, operation.collection, operation.key, version, None)
    if collection.compensation == NEGATE and operation.kind is Kind.INCREMENT:
        amounts = {name: _negated(amount) for name, amount in operation.fields.items()}
        return Operation(
            id_, operation.kind, operation.collection, operation.key, operation.version, amounts
        )
    return None


def _negated(amount: int | Decimal) -> int | Decimal:
    return amount.copy_negate() if isinstance(amount, Decimal) else -amount
