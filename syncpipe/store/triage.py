"""What people do with dead letters: find, count, group, and put away. The port, and its values.

Workers use :mod:`syncpipe.store.deadletters`; both are about the same table. Every change takes an
`Act`, which is written into the audit in the same transaction, with ``details`` of what matched;
when nothing matched, nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from syncpipe.core.audit import Act
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.core.filtering import Filter
    from syncpipe.store.deadletters import Entry, Kept, Position

#: States of a dead letter, beside `deadletters.OPEN`.
#: A replay has taken it, and its outcome is not known yet.
REPLAYING = "replaying"
#: Its replay ended with its effect, or something newer, at the target.
RESOLVED = "resolved"
#: An edited operation, a dead letter of its own, took its place.
EDITED = "edited"
#: Somebody put it away; it can be restored until it is purged.
DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Cause:
    """Dead letters of one fingerprint."""

    #: Their fingerprint.
    fingerprint: str
    #: What the newest of them says.
    example: Entry
    #: How many fit.
    number: int
    #: Of how many records.
    records: int
    #: Milliseconds since the Unix epoch at which the first of them was given up for the first time.
    first_seen_ms: int
    #: The same for the last of them, the last time.
    last_seen_ms: int
    #: How many were given up in each of the last 24 hours, the oldest first.
    hourly: tuple[int, ...]
    #: Milliseconds since the Unix epoch until which it is muted; None if it is not.
    muted_until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """How many dead letters there are."""

    #: By state.
    by_state: dict[str, int]
    #: Open ones by target; None is none.
    by_target: dict[str | None, int]
    #: Open ones by error code.
    by_code: dict[str, int]
    #: Milliseconds since the Unix epoch at which the oldest open one was first given up.
    oldest_ms: int | None
    #: How many were given up in each of the last 24 hours, the oldest first.
    hourly: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What an act has changed."""

    #: How many dead letters.
    number: int
    #: Ids of the first of them, at most 100.
    ids: tuple[str, ...]


class Triage(Protocol):
    """Dead letters for people. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated; what takes an `Act`, AuditKeyMissing too.
    A filter that names no state means every state: `state:open` is for the caller to add.
    """

    def entries(self, filter_: Filter, *, limit: int, after: Position | None = None) -> list[Entry]:
        """Return up to *limit* that fit, the newest first, from behind *after* on."""
        ...

    def letters(self, filter_: Filter, *, limit: int, after: Position | None = None) -> list[Kept]:
        """Return the same with bytes and attempts."""
        ...

    def find(self, id_: str) -> list[Kept]:
        """Return those whose own id, or whose operation's id, is *id_*, or begins with it.

        A beginning has 8 hexadecimal digits at least.
        """
        ...

    def count(self, filter_: Filter) -> int:
        """Return how many fit."""
        ...

    def causes(self, filter_: Filter, *, limit: int, muted: bool = False) -> list[Cause]:
        """Return the causes of what fits, the most frequent first; *muted* ones too if told."""
        ...

    def stats(self) -> Stats:
        """Return how many there are."""
        ...

    def discard(self, filter_: Filter, act: Act, *, limit: int | None = None) -> Changed:
        """Put away the open ones that fit."""
        ...

    def restore(self, filter_: Filter, act: Act, *, limit: int | None = None) -> Changed:
        """Open the discarded ones that fit again."""
        ...

    def purgeable(self, *, filter_: Filter, before_ms: int) -> int:
        """Return how many `purge` would delete."""
        ...

    def purge(self, act: Act, *, filter_: Filter, before_ms: int) -> Changed:
        """Delete for good what fits and was discarded, resolved or edited before *before_ms*."""
        ...

    def forget(self, act: Act, *, keep_s: float, limit: int) -> int:
        """Delete up to *limit* that were put away more than *keep_s* ago; return how many.

        These are what `purge` deletes, by the store's clock.
        """
        ...

    def edit(self, id_: str, letter: DeadLetter, act: Act) -> Kept:
        """Have *letter*, of another operation, take the place of the open one *id_*.

        Both remember each other (`Kept.edited_from`, and the state `EDITED`).

        Raises:
            NotPossible: it is not open, or not there.

        """
        ...

    def mute(self, fingerprint: str, until_ms: int | None, act: Act) -> None:
        """Leave a cause out of lists of causes until then; None: no longer."""
        ...
