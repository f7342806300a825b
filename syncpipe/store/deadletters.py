"""The port of the dead letters that the store keeps, and the values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from syncpipe.core.attempt import one_more
from syncpipe.store.triage import DISCARDED, EDITED, REPLAYING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.attempt import Attempt
    from syncpipe.core.deadletter import DeadLetter

#: State of a dead letter of which nothing has become yet.
OPEN = "open"
#: States of those that can still be sent again.
REPLAYABLE = frozenset({OPEN, REPLAYING, DISCARDED})


@dataclass(frozen=True, slots=True)
class Change:
    """Why a dead letter is in its state."""

    #: Milliseconds since the Unix epoch since which it is.
    at_ms: int
    #: Who gave it that, as `Identity.actor`, or the worker process that gave it up again.
    actor: str
    #: Why, as they said it.
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A dead letter as it is kept."""

    #: Its id, which it has had since it came.
    id: str
    #: What is known of it since it was given up the last time, with every attempt before.
    letter: DeadLetter
    #: Milliseconds since the Unix epoch at which it was given up for the first time.
    first_seen_ms: int
    #: How often it was given up.
    times_seen: int = 1
    #: What became of it.
    state: str = OPEN
    #: Why it is in that state; None if it has been since it came.
    change: Change | None = None
    #: Id of the one whose place it took, edited; None if of none.
    edited_from: str | None = None
    #: Id of the edited one that took its place; None if none did.
    edited_to: str | None = None
    #: Id of the replay that took it last; None if none did.
    replay: str | None = None

    @classmethod
    def new(cls, letter: DeadLetter) -> Self:
        """Return *letter* as it is kept at first."""
        return cls(letter.id, replace(letter, attempts=letter.history), letter.died_ms)

    @property
    def last_seen_ms(self) -> int:
        """Milliseconds since the Unix epoch at which it was given up for the last time."""
        return self.letter.died_ms

    def again(self, letter: DeadLetter) -> Kept:
        """Return what is kept when *letter*, of the same id, arrives too.

        One that has arrived already changes nothing: brokers deliver at least once, and in any
        order. Otherwise it is open again, whatever had become of it, unless an edited one took its
        place: that is the one to be replayed.

        The clock that it was given up by is that of a worker's machine, and may be behind that of
        the last: what tells of an attempt that nobody knew of has not arrived yet.
        """
        attempts = self.letter.attempts
        known = set(map(_one, attempts))
        fresh = [attempt for attempt in letter.history if _one(attempt) not in known]
        if letter.died_ms <= self.last_seen_ms and not fresh:
            return self
        for attempt in fresh:
            attempts = one_more(attempts, attempt)
        # What is replayed may travel without its producer's trace.
        trace = letter.trace or self.letter.trace
        died_ms = max(letter.died_ms, self.last_seen_ms)
        latest = replace(
            letter, raw=self.letter.raw, attempts=attempts, trace=trace, died_ms=died_ms
        )
        kept = replace(self, letter=latest, times_seen=self.times_seen + 1)
        if self.state in {OPEN, EDITED}:
            return kept
        reason = f"It was {self.state}, and given up again."
        return replace(kept, state=OPEN, change=Change(died_ms, letter.worker, reason))


def _one(attempt: Attempt) -> tuple[int, str, int]:
    """Return what tells *attempt* from others; its text may have been cut, or lost its NULs."""
    return attempt.at_ms, attempt.worker, attempt.duration_ms


@dataclass(frozen=True, slots=True)
class Entry:
    """A dead letter in a list: what there is to know without its bytes and attempts."""

    #: Its id.
    id: str
    #: What became of it.
    state: str
    #: Operation id; None where no operation could be read, as for the next two.
    operation_id: str | None
    #: Collection.
    collection: str | None
    #: Canonical key.
    key: str | None
    #: Target; None where its queue is no lane's.
    target: str | None
    #: Stage that gave it up.
    stage: str
    #: Stable code of the error.
    code: str
    #: The error's message.
    message: str
    #: SQLSTATE, where there is one.
    sqlstate: str | None
    #: Name of the violated constraint, where there is one.
    constraint: str | None
    #: Status of HTTP, where there is one.
    status: int | None
    #: Path of the endpoint, where there is one.
    endpoint: str | None
    #: What it has in common with others of the same cause.
    fingerprint: str
    #: Milliseconds since the Unix epoch at which it was given up for the first time.
    first_seen_ms: int
    #: The same for the last time.
    last_seen_ms: int
    #: How often it was given up.
    times_seen: int

    @property
    def position(self) -> Position:
        """Its place in the order of lists."""
        return Position(self.last_seen_ms, self.id)


class Position(NamedTuple):
    """A place in the order of lists, which begin with the newest, that is, the greatest."""

    #: When it was given up for the last time, milliseconds since the Unix epoch.
    last_seen_ms: int
    #: Its id.
    id: str


class KeptLetters(Protocol):
    """The dead letters that the store keeps, each once. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated.
    """

    def record(self, letters: Sequence[DeadLetter]) -> list[Kept]:
        """Keep *letters*; return as what each is kept now, once for each id, in any order.

        All of them are durable when it returns, whatever is in them: what has members that the
        store cannot hold is kept as an unreadable message. Keeping a letter again changes nothing.
        The groups of their operations end dead with it (:mod:`syncpipe.store.groups`).
        """
        ...

    def find(self, id_: str) -> list[Kept]:
        """Return those whose own id, or whose operation's id, is *id_*."""
        ...

    def open_keys(self, target: str) -> dict[str, set[str]]:
        """Return the keys of dead letters of *target* that can be sent again, by collection.

        These are the open ones, and those in `REPLAYABLE` states. Those that are being recorded
        meanwhile are among them.
        """
        ...

    def count(self) -> int:
        """Return how many are open."""
        ...
