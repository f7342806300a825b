"""Messages and the operations in them, on their way through the stages.

What there is one of for each operation, or message, is a struct: a frozen dataclass takes five
times as long.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from syncpipe.core.codec import split
from syncpipe.pipeline.effort import Effort

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncpipe.core.attempt import Attempt
    from syncpipe.core.operation import Operation
    from syncpipe.core.outcome import Outcome, Result
    from syncpipe.errors import SyncpipeError
    from syncpipe.targets.target import Group


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came from a lane's queue."""

    #: The queue it came from.
    queue: str
    #: Its id in the broker.
    id: str
    #: Its body: an envelope, if all is well.
    body: bytes
    #: How many `verdict.Later` with ``counted`` it has been answered with.
    attempts: int = 0
    #: Why it cannot hold an envelope, where its transport has found out already.
    fault: SyncpipeError | None = None


class Origin(msgspec.Struct, frozen=True, dict=True):
    """A message that was opened: what all operations in it have in common."""

    #: Index of the message in the batch.
    message: int
    #: The body of its envelope.
    body: bytes
    #: How many operations there are.
    count: int
    #: Earlier attempts at each of them.
    attempts: tuple[Attempt, ...] = ()
    #: Trace context of their producer, if there is one.
    trace: str | None = None
    #: Newest of the versions in it that tell the time, 0 if none does, where all operations are
    #: known to fit their declarations and to have nothing of what few have; None: look at each.
    newest: int | None = None

    @cached_property
    def raws(self) -> list[bytes]:
        """The bytes of each operation as it travels alone; cut when somebody wants them: few do."""
        return split(self.body, self.count)


class Item(msgspec.Struct, frozen=True, gc=False):
    """One operation of a batch, with where it came from."""

    #: The operation.
    operation: Operation
    #: What it came in.
    origin: Origin
    #: Its index in there.
    place: int = 0

    @property
    def message(self) -> int:
        """Index of its message in the batch."""
        return self.origin.message

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Earlier attempts at it, as its envelope tells."""
        return self.origin.attempts

    @property
    def trace(self) -> str | None:
        """Trace context of its producer, if there is one."""
        return self.origin.trace

    @property
    def raw(self) -> bytes:
        """Its bytes as it travels alone: exactly as sent, unless it came in a block."""
        return self.origin.raws[self.place]


@dataclass(frozen=True, slots=True)
class Fault:
    """A message of which no operation could be read."""

    #: Index of the message in the batch.
    message: int
    #: Why.
    error: SyncpipeError
    #: Why its dead letter could not be stored, if so.
    unkept: SyncpipeError | None = None


class Settled(msgspec.Struct, frozen=True):
    """An item that needs no further stage."""

    #: The item.
    item: Item
    #: What became of it.
    outcome: Outcome
    #: The stage that settled it.
    stage: str
    #: Why, unless the target holds its effect.
    error: SyncpipeError | None = None
    #: Milliseconds after which it is to be tried, where that is a matter of time alone.
    wait_ms: int | None = None
    #: Whether the schedule has it now, so that its message need not wait for it.
    scheduled: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Operations of one target that travel through the stages together."""

    #: The messages, in the order in which they were given.
    messages: tuple[Message, ...]
    #: Operations still on their way.
    items: tuple[Item, ...] = ()
    #: The same operations by record, once they are folded.
    groups: tuple[Group, ...] = ()
    #: Operations set aside with their outcome.
    settled: tuple[Settled, ...] = ()
    #: What the target said of the operations of a batch all of which it took, so that there is
    #: nothing more to ask of any of them. None of them is settled besides.
    taken: tuple[Result, ...] = ()
    #: Messages set aside because no operation could be read.
    faults: tuple[Fault, ...] = ()
    #: Ids of replays, 16 bytes, by the index of each message that one of them has sent.
    replays: Mapping[int, bytes] = field(default_factory=dict)
    #: The newest of all `Origin.newest`; None if one of them is.
    newest: int | None = None
    #: Why nothing further can be done with the batch now: the target's fault, not the operations'.
    outage: SyncpipeError | None = None
    #: The target's clock, milliseconds since the Unix epoch; asked once, 0 before.
    now_ms: int = 0
    #: How long the batch was with the target, milliseconds.
    applied_ms: int = 0
    #: What the calls of the target were like.
    effort: Effort = field(default_factory=Effort)
    #: Most records in one call of the target; None: as many as there may be at all.
    together: int | None = None

    def errors(self) -> Iterator[SyncpipeError | None]:
        """Yield everything that went wrong, and None for what did not."""
        yield self.outage
        yield from (each.error for each in self.settled)
        for fault in self.faults:
            yield from (fault.error, fault.unkept)

    def attempts(self, item: Item) -> int:
        """Return how many attempts at *item* there were before."""
        return len(item.attempts) + self.messages[item.message].attempts
