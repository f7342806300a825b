"""Groups: which of their members were applied, and which groups ended dead. The port, and values.

Pure: this module knows no database. One contract suite (``tests/contract/test_groups.py``) holds
every adapter to the promises written here.

A group ends dead when the store records a dead letter of one of its members
(:class:`~syncpipe.store.deadletters.KeptLetters`). From then on nobody enters it, its members in
the schedule are due, and those that were applied are lent to whoever undoes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from syncpipe.core.deadletter import operation_of
from syncpipe.errors import Cancelled, StoreMissing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from syncpipe.core.compensation import Compensation
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.core.routing import Priority

#: Codes of dead letters after which a group goes on: those that a dead group makes itself, and that
#: of a worker without a store, which has no groups.
_HARMLESS = frozenset({Cancelled.code, StoreMissing.code})


@dataclass(frozen=True, slots=True)
class Member:
    """One operation of a group, at one target."""

    #: Id of the group, 16 bytes.
    group_id: bytes
    #: Id of the operation, 16 bytes.
    operation_id: bytes
    #: Name of the target.
    target: str
    #: The operation's collection.
    collection: str
    #: Its canonical key; the same id on another record is another operation.
    key: str
    #: How urgent it was.
    priority: Priority
    #: Its bytes as it travels alone.
    raw: bytes

    @property
    def identity(self) -> Identity:
        """What there is one member of."""
        return Identity(self.group_id, self.operation_id, self.target, self.collection, self.key)


class Identity(NamedTuple):
    """What tells members apart."""

    #: See `Member`, as for the rest.
    group_id: bytes
    #: Operation.
    operation_id: bytes
    #: Target.
    target: str
    #: Collection.
    collection: str
    #: Key.
    key: str


@dataclass(frozen=True, slots=True)
class Death:
    """Why a group ended dead: its first dead letter that was recorded."""

    #: Id of the group, 16 bytes.
    group_id: bytes
    #: Id of the member that was given up, as text.
    operation_id: str
    #: Stable code of the error.
    code: str
    #: Milliseconds since the Unix epoch at which it was given up.
    died_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of some groups and members."""

    #: The groups that ended dead, by id.
    deaths: Mapping[bytes, Death]
    #: Those of the members given that had entered these before, and may have been applied.
    entered: Collection[Identity]


@dataclass(frozen=True, slots=True)
class Counts:
    """How far one group has come."""

    #: Members that entered; those that were refused or superseded are not among them.
    entered: int = 0
    #: Those of them that are known to have been applied.
    applied: int = 0
    #: Those of these that are undone, or for which there is nothing to do.
    compensated: int = 0


class Groups(Protocol):
    """Keeps what is known of groups. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated.
    """

    def enter(self, members: Sequence[Member], asked: Collection[bytes]) -> Standing:
        """Note that *members* are about to be tried; return what is known of the groups *asked*.

        Those are at least the members' own. Who belongs to a group that ended dead is not noted.
        """
        ...

    def leave(self, members: Sequence[Member]) -> None:
        """Forget those of *members* that are not known to have been applied.

        They were refused, or something newer was there already.
        """
        ...

    def applied(self, members: Sequence[Member]) -> None:
        """Keep that *members* were applied, whether or not they had entered.

        What returns is durable. Keeping it again changes nothing.
        """
        ...

    def hasten(self) -> int:
        """Make due what dead groups have in the schedule or among the applied; return how much.

        A death does so by itself, except for what is being written at that moment; a day later
        nothing is left to be found.
        """
        ...

    def lend(self, *, limit: int, max_bytes: int, seconds: float) -> list[Member]:
        """Lend up to *limit* applied members of dead groups that are not compensated yet.

        Their bytes are at most *max_bytes*, or it is one member. For *seconds* nobody else gets
        them, and twice as long after each time, up to a minute.
        """
        ...

    def compensate(self, undone: Sequence[tuple[Member, Compensation | None]]) -> int:
        """Schedule, at once, what undoes members at their targets; return how many.

        None is nothing. One compensation counts for each operation, the first, at all its targets;
        each member gets it once. All or none, durable when it returns.
        """
        ...

    def death(self, group_id: bytes) -> Death | None:
        """Return why a group ended dead; None if it did not, or is forgotten."""
        ...

    def counts(self, group_id: bytes) -> Counts:
        """Return how far a group has come."""
        ...

    def forget(self, horizons_s: Mapping[str, int], longest_s: int) -> int:
        """Forget members older than the horizon of their collection; return how many.

        Those of other collections, and deaths of groups without members, stay for *longest_s*.
        Applied members of a dead group stay until they are compensated.
        """
        ...


def death_of(letter: DeadLetter) -> Death | None:
    """Return what *letter* means for the group of its operation; None: nothing."""
    if letter.operation_id is None or letter.code in _HARMLESS:
        return None
    operation = operation_of(letter)
    if operation is None or operation.group_id is None:
        return None
    return Death(operation.group_id, letter.operation_id, letter.code, letter.died_ms)
