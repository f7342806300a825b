"""Stage four, the only one that talks to the target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.errors import RefusedForNow, TargetError, TargetThrottled
from syncpipe.pipeline.batch import Batch, Item, Settled
from syncpipe.pipeline.fold import identity
from syncpipe.pipeline.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.core.outcome import Result
    from syncpipe.pipeline.attempt import Attempt
    from syncpipe.targets.target import Target


def ask_time(batch: Batch, target: Target) -> Batch:
    """Return *batch* with the target's clock, or with an outage."""
    if not batch.items:
        return batch
    try:
        return replace(batch, now_ms=target.now_ms())
    except TargetError as error:
        return replace(batch, outage=error)


def apply(batch: Batch, attempt: Attempt, *, most_attempts: int) -> Batch:
    """Return *batch* with the outcome of every operation, or with an outage.

    An operation that the target refuses for now is retried until its message has had
    *most_attempts*, and dead then.
    """
    isolation = Isolation(attempt)
    outage = isolation.run(batch.groups) or _throttling(isolation.results)
    results = {identity(result.operation): result for result in isolation.results}
    settled, waiting = [], []
    for item in batch.items:
        result = results.get(identity(item.operation))
        if result is None:
            waiting.append(item)
        else:
            last = batch.messages[item.message].attempts + 1 >= most_attempts
            settled.append(_settled(item, result, last=last))
    return replace(batch, items=tuple(waiting), settled=(*batch.settled, *settled), outage=outage)


def _throttling(results: Iterable[Result]) -> TargetError | None:
    """Return what a target said that took some operations, and no more for now."""
    errors = (result.error for result in results)
    return next((error for error in errors if isinstance(error, TargetThrottled)), None)


def _settled(item: Item, result: Result, *, last: bool) -> Settled:
    outcome = result.outcome
    if last and outcome is Outcome.RETRYING and isinstance(result.error, RefusedForNow):
        outcome = Outcome.DEAD
    return Settled(item, outcome, "apply", result.error)
