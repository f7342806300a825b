"""The port of the store: syncpipe's own memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.store.audit import Audit
    from syncpipe.store.deadletters import KeptLetters
    from syncpipe.store.groups import Groups
    from syncpipe.store.pauses import Pauses
    from syncpipe.store.replays import Outcomes, Replaying, Replays
    from syncpipe.store.schedule import Schedule
    from syncpipe.store.triage import Triage


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from an empty database to the tables of this release."""

    #: Its number and name, such as ``0001_pre_dead_letters``.
    name: str
    #: Whether it was run just now; otherwise it had been before.
    ran: bool


class Store(Protocol):
    """Where syncpipe keeps its own memory. Safe to use from several threads.

    Everything raises StoreUnavailable while the database is away, and StoreOutdated while its
    tables are missing or of a later release.
    """

    @property
    def dead_letters(self) -> KeptLetters:
        """What was given up."""
        ...

    @property
    def schedule(self) -> Schedule:
        """What is to be tried later."""
        ...

    @property
    def groups(self) -> Groups:
        """Which members of groups were applied, and which groups ended dead."""
        ...

    @property
    def pauses(self) -> Pauses:
        """What people want of targets."""
        ...

    @property
    def outcomes(self) -> Outcomes:
        """What became of replayed operations."""
        ...

    def check(self) -> None:
        """Return if the store can be used now. Raises StoreError."""
        ...

    def migrate(self, *, post: bool = False) -> Sequence[Migration]:
        """Bring the tables to this release; return all migrations that have run.

        *post* tells that every process is of this release: what only earlier ones need may go.
        Safe to run again, and by several at once. Raises StoreError; nothing is changed then.
        """
        ...

    def close(self) -> None:
        """Give back connections. Idempotent."""
        ...


class OnCallStore(Store, Protocol):
    """A store that keeps what people do, too."""

    @property
    def audit(self) -> Audit:
        """What people did."""
        ...

    @property
    def replays(self) -> Replays:
        """What people have sent again."""
        ...

    @property
    def replaying(self) -> Replaying:
        """The same, for whoever sends it."""
        ...

    @property
    def triage(self) -> Triage:
        """What was given up, for people."""
        ...

    def memberships(self, roles: Iterable[str]) -> frozenset[str]:
        """Return which of these *roles* of the database its user is a member of.

        Raises StoreUnavailable.
        """
        ...
