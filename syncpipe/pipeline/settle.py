"""The last stage: what is given up, or tried later, is kept before its message may be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from syncpipe.core.attempt import Attempt, one_more
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import parse_queue
from syncpipe.errors import TooLate
from syncpipe.pipeline.fold import copies_in, identity
from syncpipe.pipeline.replayed import replay_ids
from syncpipe.store.schedule import Entry, Scheduled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline.batch import Batch, Fault, Settled
    from syncpipe.pipeline.deadletters import DeadLetters
    from syncpipe.pipeline.fold import Identity
    from syncpipe.pipeline.replayed import Replayed
    from syncpipe.pipeline.scheduling import Scheduling

_GIVEN_UP = frozenset({Outcome.DEAD, Outcome.TOO_LATE})


def settle(
    batch: Batch,
    dead_letters: DeadLetters,
    scheduling: Scheduling | None,
    replayed: Replayed | None = None,
) -> Batch:
    """Return *batch*; what could not be kept now is retrying, and its message comes again.

    What is to be tried later goes into the schedule, if there is one, and what was given up becomes
    a dead letter. Both wait while their message comes again for another reason: for its last time,
    or each time would count and bury them anew. Whoever replays is told what became of it first.
    A message that only cannot be read now comes again.
    """
    if scheduling:
        batch = _schedule(batch, scheduling, dead_letters.worker)
    open_ = _open_messages(batch, _waits)
    if replayed and (batch.replays or batch.faults):
        batch = replayed.report(batch, open_)
        open_ = _open_messages(batch, _waits)
    doomed = [each for each in batch.settled if _doomed(each) and each.item.message not in open_]
    others = [
        structs.replace(each, outcome=Outcome.RETRYING) if _doomed(each) else each
        for each in batch.settled
        if not _doomed(each) or each.item.message in open_
    ]
    letters = [_of_operation(batch, settled, dead_letters) for settled in doomed]
    passing = [replace(each, unkept=each.error) for each in batch.faults if each.error.retryable]
    lasting = [each for each in batch.faults if not each.error.retryable]
    letters += [_of_message(batch, fault, dead_letters) for fault in lasting]
    verdicts = dead_letters.keep(letters)
    dead = map(_buried, doomed, verdicts)
    faults = (*passing, *map(_kept, lasting, verdicts[len(doomed) :]))
    return replace(batch, settled=(*others, *dead), faults=faults)


def _schedule(batch: Batch, scheduling: Scheduling, worker: str) -> Batch:
    """Return *batch* with what waits for its time alone in the schedule, where that takes it."""
    timed = [each for each in batch.settled if each.wait_ms is not None]
    if not timed:
        return batch
    open_ = _open_messages(batch, lambda each: _waits(each) and each.wait_ms is None)
    ready = [each for each in timed if each.item.message not in open_]
    replays = replay_ids(batch) if batch.replays else {}
    entries = [_entry(batch, each, worker, replays) for each in ready]
    error = scheduling.keep(entries) if ready else None
    kept = set() if error else {each.item.message for each in ready}
    settled = (
        each
        if each.wait_ms is None
        else structs.replace(each, wait_ms=None, scheduled=each.item.message in kept)
        for each in batch.settled
    )
    return replace(batch, settled=tuple(settled))


def _doomed(settled: Settled) -> bool:
    return settled.outcome in _GIVEN_UP


def _waits(settled: Settled) -> bool:
    return settled.outcome is Outcome.RETRYING and not settled.scheduled


def _open_messages(batch: Batch, waits: Callable[[Settled], bool]) -> set[int]:
    """Return the messages that come again: they hold, or repeat, what has no outcome yet.

    *waits* tells for whom a message comes again. What is otherwise to be kept in it goes with it.
    """
    waiting = [*batch.items, *(each.item for each in batch.settled if waits(each))]
    to_be_kept = [each.item for each in batch.settled if _doomed(each) or _waits(each)]
    found = {item.message for item in waiting}
    unsettled = {identity(item.operation) for item in waiting}
    while True:
        unsettled |= {identity(item.operation) for item in to_be_kept if item.message in found}
        repeating = {
            copy.item.message
            for copy in copies_in(batch)
            if identity(copy.item.operation) in unsettled
        }
        if repeating <= found:
            return found
        found |= repeating


def _buried(settled: Settled, error: SyncpipeError | None) -> Settled:
    if error is None:
        return settled
    return structs.replace(settled, outcome=Outcome.RETRYING, error=error)


def _kept(fault: Fault, error: SyncpipeError | None) -> Fault:
    return replace(fault, unkept=error)


def _of_message(batch: Batch, fault: Fault, dead_letters: DeadLetters) -> DeadLetter:
    message = batch.messages[fault.message]
    return dead_letters.of_message(message.body, message.queue, fault.error)


def _of_operation(batch: Batch, settled: Settled, dead_letters: DeadLetters) -> DeadLetter:
    operation = settled.item.operation
    return dead_letters.of_operation(
        settled.item,
        queue=batch.messages[settled.item.message].queue,
        stage=settled.stage,
        error=settled.error or TooLate(f"The {operation.kind.word} came after the horizon."),
        attempts=_attempts(batch, settled, dead_letters.worker),
    )


def _entry(batch: Batch, settled: Settled, worker: str, replays: Mapping[Identity, bytes]) -> Entry:
    """Return what the schedule is to keep of *settled*, which was decoded, so its queue is one."""
    item = settled.item
    lane = parse_queue(batch.messages[item.message].queue)
    if lane is None or settled.wait_ms is None:
        raise ValueError(settled)
    scheduled = Scheduled(
        operation_id=item.operation.id,
        target=lane[0].target,
        collection=item.operation.collection,
        key=item.operation.key,
        priority=lane[1],
        raw=item.raw,
        attempts=_attempts(batch, settled, worker),
        trace=item.trace,
        group_id=item.operation.group_id,
        replay=replays.get(identity(item.operation)),
    )
    return Entry(scheduled, settled.wait_ms)


def _attempts(batch: Batch, settled: Settled, worker: str) -> tuple[Attempt, ...]:
    """Return all attempts at an operation that are known, this one included if it was tried."""
    earlier, error = settled.item.attempts, settled.error
    if settled.stage != "apply" or error is None:
        return earlier
    return one_more(
        earlier, Attempt(batch.now_ms, worker, batch.applied_ms, error.code, error.message)
    )
