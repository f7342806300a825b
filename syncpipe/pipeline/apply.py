"""Stage five, the only one that changes the target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.errors import RefusedForNow, TargetError, TargetThrottled
from syncpipe.pipeline.batch import Batch, Item, Settled
from syncpipe.pipeline.care import one_by_one
from syncpipe.pipeline.fold import identity
from syncpipe.pipeline.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.core.outcome import Result
    from syncpipe.pipeline.attempt import Attempt
    from syncpipe.pipeline.care import Care
    from syncpipe.pipeline.retries import Retries
    from syncpipe.targets.target import Target


def ask_time(batch: Batch, target: Target) -> Batch:
    """Return *batch* with the target's clock, or with an outage."""
    if not batch.items:
        return batch
    try:
        return replace(batch, now_ms=target.now_ms())
    except TargetError as error:
        return replace(batch, outage=error)


def apply(batch: Batch, attempt: Attempt, retries: Retries, care: Care | None = None) -> Batch:
    """Return *batch* with the outcome of every operation, or with an outage.

    An operation that the target refuses for now is tried again as *retries* say, and dead then.
    With *care*, operations are applied one by one.
    """
    isolation = Isolation(attempt)
    groups = batch.groups
    outage = one_by_one(isolation, groups, care) if care else isolation.run(groups)
    outage = outage or _throttling(isolation.results)
    results = {identity(result.operation): result for result in isolation.results}
    settled, waiting = [], []
    for item in batch.items:
        result = results.get(identity(item.operation))
        if result is None:
            waiting.append(item)
        else:
            attempts = len(item.attempts) + batch.messages[item.message].attempts + 1
            settled.append(_settled(item, result, retries, attempts))
    return replace(batch, items=tuple(waiting), settled=(*batch.settled, *settled), outage=outage)


def _throttling(results: Iterable[Result]) -> TargetError | None:
    """Return what a target said that took some operations, and no more for now."""
    errors = (result.error for result in results)
    return next((error for error in errors if isinstance(error, TargetThrottled)), None)


def _settled(item: Item, result: Result, retries: Retries, attempts: int) -> Settled:
    """Return what *result*, that of so many *attempts*, means for *item*."""
    if result.outcome is not Outcome.RETRYING or not isinstance(result.error, RefusedForNow):
        return Settled(item, result.outcome, "apply", result.error)
    wait_ms = retries.wait_ms(attempts)
    outcome = Outcome.DEAD if wait_ms is None else Outcome.RETRYING
    return Settled(item, outcome, "apply", result.error, wait_ms)
