"""The last stage: what was given up is stored as dead letters before its message may be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome
from syncpipe.errors import TooLate
from syncpipe.pipeline.fold import copies_in, identity

if TYPE_CHECKING:
    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline.batch import Batch, Fault, Settled
    from syncpipe.pipeline.deadletters import DeadLetters

_GIVEN_UP = frozenset({Outcome.DEAD, Outcome.TOO_LATE})


def settle(batch: Batch, dead_letters: DeadLetters) -> Batch:
    """Return *batch*; what is not stored as a dead letter now is not dead but retrying.

    The dead of a message that comes again wait for its last time, or each time would bury them.
    """
    open_ = _open_messages(batch)
    doomed = [each for each in batch.settled if _doomed(each) and each.item.message not in open_]
    others = [
        replace(each, outcome=Outcome.RETRYING) if _doomed(each) else each
        for each in batch.settled
        if not _doomed(each) or each.item.message in open_
    ]
    letters = [_of_operation(batch, settled, dead_letters) for settled in doomed]
    letters += [_of_message(batch, fault, dead_letters) for fault in batch.faults]
    verdicts = dead_letters.keep(letters)
    dead = map(_buried, doomed, verdicts)
    faults = map(_kept, batch.faults, verdicts[len(doomed) :])
    return replace(batch, settled=(*others, *dead), faults=tuple(faults))


def _doomed(settled: Settled) -> bool:
    return settled.outcome in _GIVEN_UP


def _open_messages(batch: Batch) -> set[int]:
    """Return the messages that come again: they hold, or repeat, what has no outcome yet."""
    waiting = list(batch.items)
    waiting += [each.item for each in batch.settled if each.outcome is Outcome.RETRYING]
    found = {item.message for item in waiting}
    unsettled = {identity(item.operation) for item in waiting}
    while True:
        unsettled |= {
            identity(each.item.operation)
            for each in batch.settled
            if _doomed(each) and each.item.message in found
        }
        repeating = {
            copy.item.message
            for copy in copies_in(batch)
            if identity(copy.item.operation) in unsettled
        }
        if repeating <= found:
            return found
        found |= repeating


def _buried(settled: Settled, error: SyncpipeError | None) -> Settled:
    return replace(settled, outcome=Outcome.RETRYING, error=error) if error else settled


def _kept(fault: Fault, error: SyncpipeError | None) -> Fault:
    return replace(fault, unkept=error)


def _of_message(batch: Batch, fault: Fault, dead_letters: DeadLetters) -> DeadLetter:
    message = batch.messages[fault.message]
    return dead_letters.of_message(message.body, message.queue, fault.error)


def _of_operation(batch: Batch, settled: Settled, dead_letters: DeadLetters) -> DeadLetter:
    operation = settled.item.operation
    return dead_letters.of_operation(
        operation,
        settled.item.raw,
        queue=batch.messages[settled.item.message].queue,
        stage=settled.stage,
        error=settled.error or TooLate(f"The {operation.kind.word} came after the horizon."),
    )
