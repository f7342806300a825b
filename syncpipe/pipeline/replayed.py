"""What a pipeline tells the store of operations that a replay has sent."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import structs

from syncpipe.core.codec import decode_all
from syncpipe.core.deadletter import letter_id
from syncpipe.core.envelope import unseal
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import parse_queue
from syncpipe.errors import EnvelopeError, StoreError
from syncpipe.pipeline.fold import copies_in, identity
from syncpipe.store.replays import DEAD, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.core.operation import Operation
    from syncpipe.pipeline.batch import Batch, Settled
    from syncpipe.pipeline.fold import Identity
    from syncpipe.pipeline.patience import Patience
    from syncpipe.store.replays import Outcomes


@dataclass(frozen=True, slots=True)
class Replayed:
    """Reports the outcomes of replayed operations. Thread-safe."""

    #: Where they are noted.
    outcomes: Outcomes
    #: Asks the store that they are in.
    patience: Patience

    def report(self, batch: Batch, open_: set[int]) -> Batch:
        """Return *batch*, reported; where that could not be done, what was replayed is retrying.

        What is given up in one of the messages *open_*, which come again, is not given up yet. A
        dead letter is reported before it is buried: to do both again would count it twice.
        """
        reports = [*_of_operations(batch, open_), *_of_faults(batch)]
        try:
            if reports:
                self.patience.ask(lambda: self.outcomes.report(reports))
        except StoreError as error:
            return _held_back(batch, error)
        return batch


def replay_ids(batch: Batch) -> dict[Identity, bytes]:
    """Return the ids of replays by what they have sent, whichever copy goes on."""
    return {
        identity(each.item.operation): replay
        for each in batch.settled
        if (replay := batch.replays.get(each.item.message))
    }


def _of_operations(batch: Batch, open_: set[int]) -> Iterator[Report]:
    """Yield what became of replayed operations: of a copy, what became of the one that went on."""
    copies = {id(each) for each in copies_in(batch)}
    fates = {
        identity(each.item.operation): each for each in batch.settled if id(each) not in copies
    }
    for each in batch.settled:
        replay = batch.replays.get(each.item.message)
        fate = fates.get(identity(each.item.operation)) if replay else None
        if replay is None or fate is None or not _is_final(fate, open_):
            continue
        letter = _letter(batch.messages[each.item.message].queue, each.item.operation)
        code = fate.error.code if fate.error else None
        yield Report(str(uuid.UUID(bytes=replay)), letter, fate.outcome, code)


def _is_final(settled: Settled, open_: set[int]) -> bool:
    if settled.outcome in DEAD:
        return settled.item.message not in open_
    return settled.outcome is not Outcome.RETRYING


def _of_faults(batch: Batch) -> Iterator[Report]:
    """Yield that replayed operations are dead whose message is set aside, if they can be read."""
    for fault in batch.faults:
        message = batch.messages[fault.message]
        try:
            envelope = unseal(message.body)  # what needs a dictionary comes from no replay
            header = envelope.header
            if header.replay is None:
                continue
            operations = [o for o, _ in islice(decode_all(envelope.body), header.count)]
        except EnvelopeError:
            continue
        replay = str(uuid.UUID(bytes=header.replay))
        for operation in operations:
            letter = _letter(message.queue, operation)
            yield Report(replay, letter, Outcome.DEAD, fault.error.code)


def _letter(queue: str, operation: Operation) -> str:
    """Return the id of the dead letter that *operation* was, or would be."""
    lane = parse_queue(queue)
    target = lane[0].target if lane else None
    return letter_id(target, operation.uuid, operation.collection, operation.key)


def _held_back(batch: Batch, error: StoreError) -> Batch:
    return replace(
        batch,
        settled=tuple(
            structs.replace(each, outcome=Outcome.RETRYING, error=error)
            if each.item.message in batch.replays and not each.scheduled
            else each
            for each in batch.settled
        ),
    )
