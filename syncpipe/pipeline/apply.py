"""Stage five, the only one that changes the target."""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
)
from syncpipe.pipeline.batch import Batch, Item, Settled
from syncpipe.pipeline.care import one_by_one
from syncpipe.pipeline.collection_pauses import FIRST_PAUSE_MS
from syncpipe.pipeline.fold import identity
from syncpipe.pipeline.frames import let_go
from syncpipe.pipeline.isolation import Isolation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from syncpipe.core.outcome import Result
    from syncpipe.pipeline.attempt import Attempt
    from syncpipe.pipeline.care import Care
    from syncpipe.pipeline.collection_pauses import CollectionPauses
    from syncpipe.pipeline.fold import Identity
    from syncpipe.pipeline.refusals import Refusals
    from syncpipe.pipeline.retries import Retries
    from syncpipe.pipeline.target_clock import TargetClock
    from syncpipe.targets.target import Group

_TOOK = frozenset({Outcome.APPLIED, Outcome.MERGED, Outcome.DUPLICATE, Outcome.SUPERSEDED})
_group_id, _outcome = operator.attrgetter("group_id"), operator.attrgetter("outcome")
_earlier = operator.attrgetter("origin.attempts")
_operations = operator.attrgetter("operations")
_attempts, _operation = operator.attrgetter("attempts"), operator.attrgetter("operation")


def ask_time(batch: Batch, time: TargetClock) -> Batch:
    """Return *batch* with the target's time, or with an outage."""
    if not batch.items:
        return batch
    try:
        return replace(batch, now_ms=time.now_ms())
    except TargetError as error:
        return replace(batch, outage=error)


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done about operations that a target refuses."""

    #: When what is refused for now is tried again.
    retries: Retries
    #: The collections that are left alone.
    pauses: CollectionPauses
    #: What was refused of messages that are still open.
    refusals: Refusals
    #: Seconds for which what the target refuses is sought.
    isolation_s: float
    #: Whether what waits does so in a schedule, where it is in nobody's way.
    durable: bool


def apply(batch: Batch, attempt: Attempt, policy: Policy, care: Care | None = None) -> Batch:
    """Return *batch* with the outcome of every operation, or with an outage.

    Its groups are those that were tried. An operation that the target refuses for now is tried
    again as *policy* says, and dead then. With *care*, operations are applied one by one.
    """
    isolation = Isolation(attempt, timeout_s=policy.isolation_s)
    known = policy.refusals.known(batch)
    groups = policy.pauses.admitted(_untried(_in_turn(batch, policy.refusals.busy(batch)), known))
    outage = one_by_one(isolation, groups, care) if care else isolation.run(groups)
    batch = replace(batch, groups=tuple(groups), effort=attempt.effort)
    outage = outage or _throttling(isolation.results)
    let_go(result.error for result in isolation.results)
    judged = policy.pauses.judged(isolation.results, _replayed(batch))
    if not outage and not policy.refusals.remembers and _all_taken(batch, judged):
        return replace(batch, items=(), taken=tuple(judged))
    results = known | {identity(result.operation): result for result in judged}
    settled, waiting = [], []
    for item in batch.items:
        result = results.get(identity(item.operation))
        if result is not None and result.outcome is not Outcome.RETRYING:
            settled.append(Settled(item, result.outcome, "apply", result.error))
            continue
        wait_ms = _pause_ms(item, result, policy.pauses)
        if wait_ms is not None:
            settled.append(Settled(item, Outcome.RETRYING, "apply", wait_ms=wait_ms))
        elif result is None:
            waiting.append(item)
        else:
            settled.append(_settled(item, result, policy.retries, batch.attempts(item) + 1))
    if not outage or isinstance(outage, TargetBusy):
        untried = {item.message for item in waiting}
        policy.refusals.note(batch, results, untried=untried, busy=_busy(settled))
    if not outage and not policy.durable:
        outage = _reason(batch, settled, policy.pauses)
    return replace(
        batch,
        items=tuple(waiting),
        settled=(*batch.settled, *settled),
        outage=outage,
    )


def _all_taken(batch: Batch, results: Sequence[Result]) -> bool:
    """Return whether the target took all of *batch*, and nobody waits to hear of single operations.

    Most batches come to that, so that nothing has to be made or looked up for each operation.
    """
    operations = list(map(_operation, results))
    tried = itertools.chain.from_iterable(map(_operations, batch.groups))
    return (
        not batch.replays
        and len(operations) == len(batch.items)
        and set(map(_outcome, results)) <= _TOOK
        and (batch.newest is not None or not any(map(_group_id, operations)))
        and (
            all(map(operator.is_, operations, tried))  # mostly they come in the same order
            or set(map(id, operations)) == set(map(id, map(_operation, batch.items)))
        )
    )


def _replayed(batch: Batch) -> set[Identity]:
    """Return what a replay has sent."""
    if not batch.replays:
        return set()
    return {identity(item.operation) for item in batch.items if item.message in batch.replays}


def _pause_ms(item: Item, result: Result | None, pauses: CollectionPauses) -> int | None:
    """Return how long *item* waits because its collection does; None if it does not."""
    if result is None:
        return pauses.wait_ms(item.operation.collection)
    if result.outcome is Outcome.RETRYING and isinstance(result.error, TargetMisconfigured):
        wait_ms = pauses.wait_ms(item.operation.collection)
        return FIRST_PAUSE_MS if wait_ms is None else wait_ms  # it has gone on meanwhile
    return None


def _untried(groups: Sequence[Group], known: Mapping[Identity, Result]) -> list[Group]:
    """Return *groups* without the operations whose result is *known*."""
    if not known:
        return list(groups)
    rest = (
        structs.replace(
            group, operations=tuple(o for o in group.operations if identity(o) not in known)
        )
        for group in groups
    )
    return [group for group in rest if group.operations]


def _busy(settled: Iterable[Settled]) -> set[int]:
    """Return the messages that come again because the target is busy with something in them."""
    waits = (each for each in settled if each.outcome is Outcome.RETRYING)
    return {each.item.message for each in waits if each.wait_ms is None}


def _reason(
    batch: Batch, settled: Sequence[Settled], pauses: CollectionPauses
) -> TargetError | None:
    """Return why *batch* holds nothing but what waits for paused collections, if so.

    Kept in the process, that would be in the way of other targets: they share what it may hold.
    """
    if len(settled) < len(batch.items) or any(each.error or not each.wait_ms for each in settled):
        return None
    reasons = (pauses.reason(each.item.operation.collection) for each in settled)
    return next(filter(None, reasons), None)


def _in_turn(batch: Batch, busy: Collection[Identity]) -> list[Group]:
    """Return the groups of *batch*, those first that were tried least, and last what was *busy*.

    So what is too slow, or locked, each time cannot keep others from their turn.
    """
    attempts: dict[tuple[str, str], tuple[bool, int]] = {}
    again = any(map(_attempts, batch.messages)) or any(map(_earlier, batch.items))
    for item in batch.items if busy or again else ():
        tried = identity(item.operation) in busy, batch.attempts(item)
        if any(tried):
            record = item.operation.collection, item.operation.key
            attempts[record] = max(attempts.get(record, tried), tried)
    if not attempts:
        return list(batch.groups)
    return sorted(
        batch.groups,
        key=lambda group: attempts.get((group.collection.name, group.key), (False, 0)),
    )


def _throttling(results: Iterable[Result]) -> TargetError | None:
    """Return what a target said that took some operations, and no more for now."""
    errors = [result.error for result in results if result.error is not None]
    return next((error for error in errors if isinstance(error, TargetThrottled)), None)


def _settled(item: Item, result: Result, retries: Retries, attempts: int) -> Settled:
    """Return what *result*, that of so many *attempts*, means for *item*."""
    if result.outcome is not Outcome.RETRYING or not isinstance(result.error, RefusedForNow):
        return Settled(item, result.outcome, "apply", result.error)
    wait_ms = retries.wait_ms(attempts)
    outcome = Outcome.DEAD if wait_ms is None else Outcome.RETRYING
    return Settled(item, outcome, "apply", result.error, wait_ms)
