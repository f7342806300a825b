"""Stage three: what is not due yet, or has expired, goes no further now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.errors import TargetError
from syncpipe.pipeline.batch import Batch, Settled
from syncpipe.pipeline.fold import grouped, identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.pipeline.batch import Item
    from syncpipe.targets.target import Target

#: Its name.
STAGE = "admit"


def admit(batch: Batch, target: Target, collections: Mapping[str, Collection]) -> Batch:
    """Return *batch* without what is not to be tried now, or with an outage.

    What has expired is a duplicate where *target* knows that it was applied: only then is it asked.
    """
    admitted: list[Item] = []
    early: list[Settled] = []
    expired: list[Item] = []
    for item in batch.items:
        operation = item.operation
        if 0 < operation.expires_ms <= batch.now_ms:
            expired.append(item)
        elif operation.not_before_ms > batch.now_ms:
            wait_ms = operation.not_before_ms - batch.now_ms
            early.append(Settled(item, Outcome.RETRYING, STAGE, wait_ms=wait_ms))
        else:
            admitted.append(item)
    try:
        known = _applied(expired, target, collections) if expired else set()
    except TargetError as error:
        return replace(batch, outage=error)
    late = [Settled(item, _fate(item.operation, known), STAGE) for item in expired]
    return replace(batch, items=tuple(admitted), settled=(*batch.settled, *early, *late))


def _applied(
    expired: Sequence[Item], target: Target, collections: Mapping[str, Collection]
) -> set[bytes]:
    """Return the ids of what *target* knows to have applied."""
    unique = {identity(item.operation): item.operation for item in expired}
    return target.seen(grouped(unique.values(), collections))


def _fate(operation: Operation, known: set[bytes]) -> Outcome:
    return Outcome.DUPLICATE if operation.id in known else Outcome.EXPIRED
