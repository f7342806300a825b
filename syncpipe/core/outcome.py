"""What became of an operation: a closed set."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from syncpipe.core.operation import Operation
    from syncpipe.errors import SyncpipeError


class Outcome(enum.Enum):
    """What became of one operation on one target."""

    #: By identity: Python's own hashes the name, and each operation's outcome is looked up often.
    __hash__ = object.__hash__

    #: It was written, as the newest of its record in the batch.
    APPLIED = "applied"
    #: Its effect went into the write of a newer operation of the same record in the batch.
    MERGED = "merged"
    #: It had been applied before.
    DUPLICATE = "duplicate"
    #: Something newer had already decided everything it would change.
    SUPERSEDED = "superseded"
    #: It is tried again later.
    RETRYING = "retrying"
    #: Its time had run out before it was applied; nothing tries it again.
    EXPIRED = "expired"
    #: It was given up and is a dead letter.
    DEAD = "dead"
    #: It came after the horizon and can no longer be judged; it is a dead letter.
    TOO_LATE = "too_late"


class Result(msgspec.Struct, frozen=True):
    """The outcome of one operation, with the reason where it was not applied."""

    #: The operation.
    operation: Operation
    #: What became of it.
    outcome: Outcome
    #: Why, for `RETRYING`, `DEAD` and `TOO_LATE`.
    error: SyncpipeError | None = None
