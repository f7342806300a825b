"""The port of a target: what the pipeline asks of a database or endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TooSlow,
)

if TYPE_CHECKING:
    from collections.abc import Collection as Keys
    from collections.abc import Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.core.memory import Memory
    from syncpipe.core.operation import Operation
    from syncpipe.core.outcome import Result


class Group(msgspec.Struct, frozen=True, gc=False):
    """The operations of one record in one batch."""

    #: The record's collection.
    collection: Collection
    #: The record's canonical key.
    key: str
    #: Its operations, at least one, each id once, in version order.
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a target says to one group of `Target.apply_each`."""

    #: The group.
    group: Group
    #: A result for each of its operations, if the target took it.
    results: Sequence[Result] = ()
    #: Why it did not, what `Target.apply` would have raised for it alone; None if it did.
    error: TargetError | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of `Target.test`."""

    #: What was checked, a few words.
    name: str
    #: Whether it is as it should be.
    ok: bool
    #: What was found and, where it is not as it should be, what to do.
    detail: str


@dataclass(frozen=True, slots=True)
class Description:
    """Where a collection's records live and what operations may write there."""

    #: Name of the collection.
    collection: str
    #: The table, "documents", or the path of the endpoint.
    table: str
    #: Column or field names with their types.
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Present:
    """A record as a target has it now."""

    #: Its fields, the values as operations have them, as far as the target can tell; None where
    #: there is no such record.
    document: Mapping[str, Any] | None
    #: What the target remembers of it.
    memory: Memory


@dataclass(frozen=True, slots=True)
class Collected:
    """What `Target.collect` has forgotten."""

    #: The collection's floor afterwards; 0 when nothing was ever collected.
    floor: int = 0
    #: How many tombstones were deleted.
    tombstones: int = 0
    #: How many ledger entries were deleted.
    increments: int = 0


class Target(Protocol):
    """Where operations are applied. Safe to use from several threads.

    A target does not retry, isolate or wait: the pipeline does.
    """

    #: Its name, ``[targets.NAME]``.
    name: str

    def now_ms(self) -> int:
        """Return the target's own clock, milliseconds since the Unix epoch.

        Raises:
            TargetError: it cannot be reached.

        """
        ...

    def ping(self) -> None:
        """Return if the target can be reached now: the cheapest thing that tells.

        Raises:
            TargetError: it cannot.

        """
        ...

    def seen(self, groups: Sequence[Group]) -> set[bytes]:
        """Return the ids of those operations of *groups* that are known to have been applied.

        Writes nothing. A target that remembers nothing, or no longer remembers, knows of none.

        Raises:
            TargetError: it cannot be reached.

        """
        ...

    def read(self, collection: Collection, keys: Sequence[str]) -> dict[str, Present] | None:
        """Return the records of *keys*, canonical ones, as they are now; None: it cannot say.

        One round trip, which locks nothing. Each key has an answer.

        Raises:
            Refused: a key is none that the target can have.
            TargetError: it cannot be reached.

        """
        ...

    def apply(self, groups: Sequence[Group], *, now_ms: int) -> list[Result]:
        """Apply the operations and return one result for each, in any order.

        *now_ms* is the target's clock, from `now_ms`. What has a result is durable. Applying again
        what was applied changes nothing. When it raises, some groups may have been applied, each
        wholly or not at all; calling again with the same groups is safe.

        Raises:
            TargetUnavailable: the target is down; nothing is wrong with the operations.
            TargetBusy: trying again at once may succeed.
            TargetThrottled: it was asked too often, and says for how long to leave it alone.
            TargetMisconfigured: it would refuse everything.
            Refused, RefusedForNow: at least one group was refused; fewer at a time
                tell which.

        """
        ...

    def apply_each(self, groups: Sequence[Group], *, now_ms: int) -> list[Judgement]:
        """Apply each group for itself, in as few transactions as can be, and return an answer each.

        What is refused harms no other. A group without an answer was not tried: who is slow or busy
        ends the pass, so that nothing that was written waits for it.

        Raises:
            TargetError: as `apply`, for all groups; none has an answer then.

        """
        ...

    def collect(self, collection: Collection, *, keep: Keys[str] = ()) -> Collected:
        """Forget tombstones and ledger entries older than the horizon, and raise the floor.

        Records whose keys are in *keep* keep what it takes to judge the replay of an open dead
        letter. Collections with versions of the source keep everything. Safe beside `apply`.

        Raises:
            TargetError: it cannot be reached; the floor covers what was forgotten until then.

        """
        ...

    def close(self) -> None:
        """Give back connections. Idempotent."""
        ...


def apply_one_by_one(target: Target, groups: Sequence[Group], *, now_ms: int) -> list[Judgement]:
    """Judgement as `Target.apply_each` of a target that has nothing better than a call for each.

    What ends the pass otherwise is raised by the next one: what was taken before is answered.
    """
    answers: list[Judgement] = []
    for group in groups:
        try:
            answers.append(Judgement(group, target.apply((group,), now_ms=now_ms)))
        except (Refused, RefusedForNow, TargetBusy, TargetMisconfigured) as error:
            answers.append(Judgement(group, error=error))
            if isinstance(error, TargetBusy | TooSlow):
                break
        except Exception:
            if not answers:
                raise
            break
    return answers
