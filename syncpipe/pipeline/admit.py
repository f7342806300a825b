"""Stage three: what is not due yet, has expired, or is cancelled with its group goes no further."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.errors import Cancelled, StoreError, StoreMissing, TargetError
from syncpipe.pipeline.batch import Batch, Settled
from syncpipe.pipeline.fold import grouped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.pipeline.batch import Item
    from syncpipe.pipeline.membership import Membership
    from syncpipe.store.groups import Death
    from syncpipe.targets.target import Target

#: Its name.
STAGE = "admit"


def admit(
    batch: Batch,
    target: Target,
    collections: Mapping[str, Collection],
    membership: Membership | None = None,
) -> Batch:
    """Return *batch* without what is not to be tried now, or with an outage.

    What has expired is a duplicate where *target* knows that it was applied; what is cancelled goes
    on then, to be recorded as applied. Only for these it is asked, and *membership* only for
    operations that have a group.
    """
    if batch.newest is not None:
        return batch  # nothing in it has a time or a group
    admitted: list[Item] = []
    early: list[Item] = []
    expired: list[Item] = []
    for item in batch.items:
        operation = item.operation
        if 0 < operation.expires_ms <= batch.now_ms:
            expired.append(item)
        elif operation.not_before_ms > batch.now_ms:
            early.append(item)
        else:
            admitted.append(item)
    settled, deaths = _cancelled(batch, admitted, early, membership)
    gone = {id(item) for item in (*(each.item for each in settled), *(i for i, _ in deaths))}
    try:
        doubtful = [*expired, *(item for item, _ in deaths)]
        known = _applied(doubtful, target, collections) if doubtful else set()
    except TargetError as error:
        return replace(batch, outage=error)
    settled += [_early(item, batch.now_ms) for item in early if id(item) not in gone]
    settled += [Settled(item, _fate(item.operation, known), STAGE) for item in expired]
    settled += [
        Settled(item, Outcome.DEAD, STAGE, _because(death))
        for item, death in deaths
        if item.operation.id not in known
    ]
    going = [item for item in admitted if id(item) not in gone] if gone else admitted
    going += [item for item, _ in deaths if item.operation.id in known]
    return replace(batch, items=tuple(going), settled=(*batch.settled, *settled))


def _cancelled(
    batch: Batch, due: Sequence[Item], early: Sequence[Item], membership: Membership | None
) -> tuple[list[Settled], list[tuple[Item, Death]]]:
    """Return the members that cannot be judged, and those whose group ended without them."""
    trying = [item for item in due if item.operation.group_id]
    waiting = [item for item in early if item.operation.group_id]
    members = [*trying, *waiting]
    if not members:
        return [], []
    if membership is None:
        return [Settled(item, Outcome.DEAD, STAGE, _no_store()) for item in members], []
    try:
        return [], membership.enter(batch, trying, waiting)
    except StoreError as error:
        return [Settled(item, Outcome.RETRYING, STAGE, error) for item in members], []


def _early(item: Item, now_ms: int) -> Settled:
    wait_ms = item.operation.not_before_ms - now_ms
    return Settled(item, Outcome.RETRYING, STAGE, wait_ms=wait_ms)


def _no_store() -> StoreMissing:
    return StoreMissing("The operation belongs to a group, and groups need a store.")


def _because(death: Death) -> Cancelled:
    return Cancelled(f"The group ended dead with its operation {death.operation_id}: {death.code}.")


def _applied(
    doubtful: Sequence[Item], target: Target, collections: Mapping[str, Collection]
) -> set[bytes]:
    """Return the ids of what *target* knows to have applied."""
    return target.seen(grouped(doubtful, collections)[0])


def _fate(operation: Operation, known: set[bytes]) -> Outcome:
    return Outcome.DUPLICATE if operation.id in known else Outcome.EXPIRED
