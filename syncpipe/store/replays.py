"""Replays: jobs that send dead letters again. The ports, and their values.

A replay takes the open dead letters that its filter fits when it is made (they are `REPLAYING` from
then on, so no two replays hold the same one), and sends each as it was sent: its bytes, id and
version. Whoever runs it is lent it for a while; when they die, another goes on. Workers report what
became of each operation, by the id of the replay, which travels in the header of its envelope.

People use `Replays`, whoever sends `Replaying`, and pipelines `Outcomes`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from syncpipe.core.outcome import Outcome
from syncpipe.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from syncpipe.core.audit import Act
    from syncpipe.core.filtering import Filter


#: Outcomes after which the target holds the operation's effect, or something newer.
GOOD = frozenset({Outcome.APPLIED, Outcome.MERGED, Outcome.DUPLICATE, Outcome.SUPERSEDED})
#: Outcomes that count as errors.
DEAD = frozenset({Outcome.DEAD, Outcome.TOO_LATE})
#: Words beside those of outcomes: sent, though nothing more is heard of it; and not sent, because
#: it was given up or changed anew since the replay took it.
SENT, SKIPPED = "sent", "skipped"
#: The most of anything that is counted, and the slowest that operations are sent, each second.
_MOST, _SLOWEST = 2**31 - 1, 0.001


class ReplayState(enum.Enum):
    """What a replay is doing."""

    #: It sends, or waits for what it has sent.
    RUNNING = "running"
    #: The same with the first few alone, whose outcomes decide whether it goes on.
    CANARY = "canary"
    #: Somebody paused it, or it stopped by itself because too much failed (`Replay.stopped`).
    PAUSED = "paused"
    #: Everything it took has an outcome.
    FINISHED = "finished"
    #: Somebody ended it; what was not sent is open again.
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Order:
    """What a replay is to do."""

    #: Which open dead letters it takes, with moments that are not relative.
    filter: Filter
    #: The filter as a text, to show.
    text: str = ""
    #: Most dead letters that it takes; None: all.
    limit: int | None = None
    #: Most operations a second; None: as fast as the targets take them.
    rate: float | None = None
    #: How many are sent first, and must end well, before the rest is; 0: none.
    canary: int = 0
    #: Share of those with an outcome that may be dead again, from 20 outcomes on; the canary's from
    #: its first. Above, it pauses itself.
    stop_on_error_rate: float = 0.05
    #: Whether operations get a new version, so that they win over what was written since.
    as_of_now: bool = False

    def __post_init__(self) -> None:
        """Look at the numbers.

        Raises:
            NotPossible: one of them makes no sense.

        """
        fits = (
            (self.limit is None or 0 < self.limit <= _MOST)
            and (self.rate is None or _SLOWEST <= self.rate <= _MOST)
            and 0 <= self.canary <= _MOST
            and 0 <= self.stop_on_error_rate <= 1
        )
        if not fits:
            raise NotPossible(
                f"A replay takes a limit above 0, a rate of {_SLOWEST} a second or more, a canary "
                f"of 0 or more, none of them above {_MOST:,}, and an error rate from 0 to 1."
            )

    @property
    def row(self) -> dict[str, Any]:
        """What it says, ready for JSON."""
        return {
            "filter": self.text,
            "limit": self.limit,
            "rate": self.rate,
            "canary": self.canary,
            "stop_on_error_rate": self.stop_on_error_rate,
            "as_of_now": self.as_of_now,
        }


@dataclass(frozen=True, slots=True)
class Declared:
    """What is declared, as far as it matters for what a replay may take."""

    #: The collections of each target.
    collections: Mapping[str, Collection[str]]
    #: Collections whose versions come from their source: nothing of them can be as of now.
    sources: Collection[str]


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay as it stands."""

    #: Its id, a UUID as text.
    id: str
    #: What it does.
    state: ReplayState
    #: What it is to do.
    order: Order
    #: Who made it, and why.
    actor: str
    reason: str
    #: Milliseconds since the Unix epoch; None: it has not ended.
    created_ms: int
    ended_ms: int | None
    #: Dead letters that it took, those that it has sent, and those with an outcome, by its word, or
    #: `SENT` or `SKIPPED`.
    total: int
    sent: int
    outcomes: Mapping[str, int]
    #: Why it paused itself, or what it waits for; empty if for nothing.
    stopped: str = ""

    @property
    def ended(self) -> int:
        """How many have an outcome."""
        return sum(self.outcomes.values())

    @property
    def dead(self) -> int:
        """How many are dead again."""
        return sum(self.outcomes.get(outcome.value, 0) for outcome in DEAD)


class Plan(NamedTuple):
    """What a replay would take now."""

    #: How many, and of how many records.
    number: int
    records: int
    #: How many by target, and by error code.
    by_target: Mapping[str, int]
    by_code: Mapping[str, int]
    #: Messages that nobody could read: they are sent as they are.
    unreadable: int
    #: Those that can only fail: of no declared target, or expired.
    hopeless: int
    #: Ids of the first, in the order in which they would be sent.
    first: Sequence[str]


class Report(NamedTuple):
    """What became of one replayed operation."""

    #: Id of the replay, a UUID as text.
    replay: str
    #: Id of the dead letter.
    letter: str
    #: What became of it; never RETRYING.
    outcome: Outcome
    #: Code of the error, where there is one.
    code: str | None = None


class Replays(Protocol):
    """The replays of the store. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated; what takes an `Act`, AuditKeyMissing too.
    """

    def plan(self, order: Order, declared: Declared | None = None) -> Plan:
        """Return what *order* would take now, as `create` would; nothing is changed.

        Without *declared*, everything is.

        Raises:
            NotPossible: something of it cannot be as of now.

        """
        ...

    def create(self, order: Order, act: Act, declared: Declared | None = None) -> Replay:
        """Take the open dead letters that *order* means, and have a worker send them.

        Raises:
            NotPossible: there is none, or something of it cannot be as of now.

        """
        ...

    def find(self, id_: str) -> Replay | None:
        """Return the replay whose id is *id_*, or alone begins with these 8 digits or more."""
        ...

    def latest(self, *, limit: int, active: bool = False) -> list[Replay]:
        """Return up to *limit* replays, the newest first; only those not ended if *active*."""
        ...

    def pause(self, id_: str, act: Act) -> Replay:
        """Send nothing more until it is resumed. Raises NotPossible."""
        ...

    def resume(self, id_: str, act: Act) -> Replay:
        """Go on, also after it stopped by itself. Raises NotPossible."""
        ...

    def cancel(self, id_: str, act: Act) -> Replay:
        """End it; what was sent is not taken back. Raises NotPossible."""
        ...

    def forget(self, act: Act, *, keep_s: float, limit: int) -> int:
        """Delete up to *limit* that ended more than *keep_s* ago, by the store's clock.

        Return how many. Those of which outcomes may yet be noted stay.
        """
        ...


class Outcomes(Protocol):
    """What became of replayed operations. Safe to use from several threads.

    Raises StoreUnavailable and StoreOutdated.
    """

    def report(self, reports: Sequence[Report]) -> None:
        """Note what became of operations; what is of no replay known here is left out.

        The first outcome stays, but a good one takes the place of another: the same operation may
        have been on its way twice. To tell something again changes nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Item:
    """A dead letter that is to be sent."""

    #: Its place in the replay, from 1.
    number: int
    #: Id of the dead letter.
    letter: str
    #: The operation's bytes, or the whole message.
    raw: bytes
    #: Queue that it came from.
    queue: str
    #: Whether an operation could be read in it.
    readable: bool
    #: The version to send it with; None: its own.
    version: int | None
    #: Trace context of its producer, if there is one.
    trace: str | None
    #: How often it was sent.
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """A replay, lent for a while to whoever goes on with it, and how it stands."""

    #: What tells this lease from every other, a UUID as text.
    token: str
    #: The replay.
    replay: Replay
    #: The first that is not sent; None: there is none.
    next: int | None
    #: How many have no outcome: not sent, sent, and of these in the schedule.
    unsent: int
    waiting: int
    scheduled: int
    #: How many of the canary have no outcome.
    canary: int
    #: Outcomes, and dead ones, that count no more since somebody resumed it.
    forgiven: int
    forgiven_dead: int
    #: Seconds since everything that was sent should have been sent, at its rate.
    behind_s: float
    #: Seconds since something was sent or an outcome came.
    silent_s: float


class Replaying(Protocol):
    """The side of whoever sends. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated.
    """

    def take(self, *, seconds: float) -> Turn | None:
        """Lend the replay that has waited longest for somebody, for *seconds*."""
        ...

    def items(self, turn: Turn, *, after: int, last: int, limit: int, max_bytes: int) -> list[Item]:
        """Return those that are not sent, behind number *after* up to *last*, in order.

        Their bytes are at most *max_bytes*, or it is one. Those that are no longer the replay's are
        `SKIPPED` on the way.
        """
        ...

    def lost(self, turn: Turn, *, silent_s: float, limit: int, max_bytes: int) -> list[Item]:
        """Return those sent more than *silent_s* ago of which nothing is heard or scheduled."""
        ...

    def sent(self, turn: Turn, items: Sequence[Item], *, seconds: float, burst_s: float) -> bool:
        """Note that *items* are in the broker; return whether to go on, lent for *seconds* more.

        What cannot be read is `SENT` then. The replay's rate counts them, and for what was not sent
        in time at most *burst_s* are made up.
        """
        ...

    def waits_for(self, turn: Turn) -> Mapping[str, int]:
        """Return how many sent ones have no outcome, and are not in the schedule, by target."""
        ...

    def end(
        self,
        turn: Turn,
        state: ReplayState | None = None,
        *,
        stopped: str = "",
        after_s: float = 0.0,
    ) -> bool:
        """Give the replay back, to be lent again after some seconds; in another *state*, if so.

        Return whether it was still lent, and in the state in which it was taken; otherwise nothing
        else is changed.
        """
        ...
