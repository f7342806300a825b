"""What a pipeline does for the operations that belong to a group.

A member enters its group before it is tried, and is recorded as applied before its message is done.
So whoever finds its group dead later knows whether the target may have its effect, whatever target
that is and whoever died on the way.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import parse_queue
from syncpipe.errors import Refused, RefusedForNow, StoreError, TooLate
from syncpipe.pipeline.fold import copies_in
from syncpipe.store.groups import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.pipeline.batch import Batch, Item, Settled
    from syncpipe.pipeline.patience import Patience
    from syncpipe.store.groups import Death, Groups

#: Outcomes after which the target may hold the operation's effect. Of what was superseded nothing
#: is left, and to undo it would undo what superseded it.
_APPLIED = frozenset({Outcome.APPLIED, Outcome.MERGED, Outcome.DUPLICATE})


@dataclass(frozen=True, slots=True)
class Membership:
    """Tells the store of members, and asks it. Thread-safe."""

    #: What is known of groups.
    groups: Groups
    #: Asks the store that they are in.
    patience: Patience

    def enter(
        self, batch: Batch, trying: Sequence[Item], waiting: Sequence[Item]
    ) -> list[tuple[Item, Death]]:
        """Note the members *trying* as about to be tried, but not those *waiting*.

        Returns those whose group has ended dead without them. Who had entered before goes on: the
        target may have its effect already, and applies nothing twice.

        Raises:
            StoreError: the store cannot be asked; none of them may be tried then.

        """
        members = [_member(batch, item) for item in (*trying, *waiting)]
        asked = {member.group_id for member in members}
        standing = self.patience.ask(lambda: self.groups.enter(members[: len(trying)], asked))
        return [
            (item, death)
            for item, member in zip((*trying, *waiting), members, strict=True)
            if (death := standing.deaths.get(member.group_id))
            and member.identity not in standing.entered
        ]

    def record(self, batch: Batch) -> Batch:
        """Return *batch*; members whose effect could not be recorded are retrying.

        What the target has refused, or knows something newer than, is forgotten: the former is
        cancelled if its group ends dead while it waits. That may fail: tried once more, it is
        undone instead.
        """
        mine = [settled for settled in batch.settled if settled.item.operation.group_id]
        if not mine:
            return batch
        copies = {id(settled) for settled in copies_in(batch)}
        mine = [settled for settled in mine if id(settled) not in copies]
        gone = [_member(batch, settled.item) for settled in mine if _is_gone(settled)]
        applied = [settled for settled in mine if settled.outcome in _APPLIED]
        members = [_member(batch, settled.item) for settled in applied]
        try:
            if members:
                self.patience.ask(lambda: self.groups.applied(members))
        except StoreError as error:
            return _held_back(batch, applied, error)
        with contextlib.suppress(StoreError):
            if gone:
                self.patience.ask(lambda: self.groups.leave(gone))
        return batch


def _is_gone(settled: Settled) -> bool:
    """Whether the target itself said that it does not have the effect of *settled*."""
    refusal = isinstance(settled.error, Refused | RefusedForNow | TooLate)
    return settled.outcome is Outcome.SUPERSEDED or (settled.stage == "apply" and refusal)


def _held_back(batch: Batch, applied: Iterable[Settled], error: StoreError) -> Batch:
    """Return *batch* with those of *applied* retrying: the target will call them duplicates."""
    held = {id(settled) for settled in applied}
    return replace(
        batch,
        settled=tuple(
            structs.replace(each, outcome=Outcome.RETRYING, error=error)
            if id(each) in held
            else each
            for each in batch.settled
        ),
    )


def _member(batch: Batch, item: Item) -> Member:
    """Return *item*, which has a group and was decoded, so that its queue is a lane's."""
    operation = item.operation
    lane = parse_queue(batch.messages[item.message].queue)
    if lane is None or operation.group_id is None:
        raise ValueError(item)
    return Member(
        group_id=operation.group_id,
        operation_id=operation.id,
        target=lane[0].target,
        collection=operation.collection,
        key=operation.key,
        priority=lane[1],
        raw=item.raw,
    )
