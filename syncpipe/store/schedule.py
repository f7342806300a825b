"""The schedule: operations that a target is to get later. The port, and the values that cross it.

Pure: this module knows no database. One contract suite (``tests/contract/test_schedule.py``) holds
every adapter to the promises written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.attempt import Attempt
    from syncpipe.core.routing import Priority


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One operation that one target is to get later."""

    #: Id of the operation, 16 bytes.
    operation_id: bytes
    #: Name of the target.
    target: str
    #: The operation's collection.
    collection: str
    #: Its canonical key; the same id on another record is another operation.
    key: str
    #: How urgent it is.
    priority: Priority
    #: Its bytes as it travels alone.
    raw: bytes
    #: Earlier attempts at it; none if it was only delayed.
    attempts: tuple[Attempt, ...] = ()
    #: Trace context of its producer, if there is one.
    trace: str | None = None
    #: Group that it belongs to, if there is one: it is due when that ends dead.
    group_id: bytes | None = None
    #: Replay that waits for its outcome, 16 bytes, if one does.
    replay: bytes | None = None

    @property
    def identity(self) -> tuple[bytes, str, str, str]:
        """What there is one entry of."""
        return self.operation_id, self.target, self.collection, self.key


class Entry(NamedTuple):
    """An operation that is to be scheduled."""

    #: The operation.
    scheduled: Scheduled
    #: How long from now, by the schedule's own clock, milliseconds.
    wait_ms: int


@dataclass(frozen=True, slots=True)
class Lease:
    """Operations that are due, lent for a while to whoever sends them on."""

    #: What tells this lease from every other, a UUID as text.
    token: str
    #: The operations, those that are due first foremost.
    operations: tuple[Scheduled, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is scheduled for one target."""

    #: How many operations.
    count: int
    #: Seconds until the next is due; negative if it is overdue. A lent one is due when that ends.
    next_s: float


class Schedule(Protocol):
    """Keeps operations until they are due. Thread-safe.

    Due is what the schedule's own clock says, so that no two machines' clocks are compared. Every
    verb returns or raises a :class:`~syncpipe.errors.StoreError` within the adapter's timeouts.
    """

    def put(self, entries: Sequence[Entry]) -> None:
        """Schedule *entries*, all or none; what returns is durable.

        There is one entry for each operation, target and record. One that tells of fewer attempts
        than what is there changes nothing of it; any other takes its place, with its time. Either
        way the replay that the new one tells of waits for it, and a lease of it ends: what was lent
        is due again, so that whoever sent it on cannot remove what has come since.
        """
        ...

    def lease(self, targets: Sequence[str], *, limit: int, max_bytes: int, seconds: float) -> Lease:
        """Lend up to *limit* operations for each of *targets* that are due, for *seconds*.

        Their bytes are at most *max_bytes* for each target, or it is one operation. Two leases
        never hold the same operation, unless the first has ended. What is not removed by then is
        due again.
        """
        ...

    def remove(self, lease: Lease, operations: Sequence[Scheduled]) -> int:
        """Forget those of *operations* that *lease* still holds; return how many."""
        ...

    def outlook(self) -> dict[str, Outlook]:
        """Return what is scheduled, by target."""
        ...
