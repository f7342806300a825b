"""Replays: jobs that send dead letters again. The port, and its values.

A replay takes the open dead letters that its filter fits when it is made (they are `REPLAYING` from
then on, so no two replays hold the same one), and sends each as it was sent: its bytes, id and
version. Whoever runs it is lent it for a while; when they die, another goes on. Workers report what
became of each operation, by the id of the replay, which travels in the header of its envelope.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.audit import Act
    from syncpipe.core.filtering import Filter
    from syncpipe.core.outcome import Outcome


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
    text: str
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
    #: Dead letters that it took, those that it has sent, and those with an outcome, by its word;
    #: ``sent`` for messages that nobody can read, of which nothing more is heard.
    total: int
    sent: int
    outcomes: Mapping[str, int]
    #: Why it paused itself, or what it waits for; empty if for nothing.
    stopped: str = ""


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

    def plan(self, order: Order) -> Plan:
        """Return what *order* would take now; nothing is changed."""
        ...

    def create(self, order: Order, act: Act) -> Replay:
        """Take the open dead letters that *order* means, and have a worker send them.

        Raises:
            NotPossible: there is none.

        """
        ...

    def find(self, id_: str) -> Replay | None:
        """Return the replay *id_*."""
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

    def report(self, reports: Sequence[Report]) -> None:
        """Note what became of operations; to tell it again changes nothing."""
        ...
