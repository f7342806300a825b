"""Sending the stream: every operation through the client, some of them more than once."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from syncpipe.app import Client
from syncpipe.core.keys import canonical_key
from syncpipe.core.operation import uuid7
from syncpipe.core.version import at_milliseconds, tie_of
from syncpipe.demo.oracle import HistoryEntry, Oracle
from syncpipe.demo.poison import mixed
from syncpipe.demo.stream import operations
from syncpipe.errors import DeliveryTimeout
from syncpipe.producer.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.app import App
    from syncpipe.demo.stream import DemoOperation

#: A repeat is sent so many positions after its original, or up to as many more as the second says.
_REPEAT_AFTER, _REPEAT_SPREAD = 500, 5_000
#: A large prime, to spread repeats by their position.
_STRIDE = 7_919
_ID_RANDOM_BITS = 74
#: Operations between two reports of progress.
_STEP = 10_000


@dataclass(frozen=True, slots=True)
class Fed:
    """What was sent."""

    #: Distinct operations.
    operations: int
    #: How many of them the target is to refuse.
    poisoned: int
    #: Unix milliseconds at which the first of them was given to the client.
    first_ms: int
    #: Knows what the rows have to be.
    oracle: Oracle


def feed(
    app: App,
    count: int,
    seed: int,
    say: Callable[[str], object],
    *,
    poisoned: int = 0,
    halfway: Callable[[], object] | None = None,
) -> Fed:
    """Send *count* operations and their repeats; return when all are confirmed.

    So many are *poisoned*, the others come from the stream. *halfway* is called before the first of
    the second half is sent. Raises SyncpipeError when the client refuses an operation or the broker
    does not confirm one.
    """
    feeder = Feeder(app, say, halfway)
    with Client(app.settings) as client:
        receipt = client.send_many(feeder.drafts(count, seed, poisoned))
        unconfirmed = client.flush()
    if receipt.faults:
        raise receipt.faults[0].error
    if unconfirmed:
        raise DeliveryTimeout(f"{unconfirmed} operations were not confirmed.")
    return Fed(count, poisoned, feeder.first_ms, feeder.oracle)


class Feeder:
    """Makes drafts of the stream, and tells the oracle of each."""

    def __init__(
        self, app: App, say: Callable[[str], object], halfway: Callable[[], object] | None = None
    ) -> None:
        """Make drafts for *app*; *say* hears of progress."""
        #: Knows what the rows have to be.
        self.oracle = Oracle()
        #: Unix milliseconds from which versions count.
        self.first_ms = app.clock.now_ms()
        self._app = app
        self._say = say
        self._halfway = halfway
        self._repeats: list[tuple[int, int, Draft]] = []

    def drafts(self, count: int, seed: int, poisoned: int = 0) -> Iterator[Draft]:
        """Yield each operation in sending order, and each repeat a good while later."""
        sound = operations(count - poisoned, seed=seed)
        for number, operation in enumerate(mixed(sound, poisoned, count), start=1):
            if number == count // 2 + 1 and self._halfway:
                self._halfway()
            draft = self._draft(operation)
            if not operation.poisoned:
                self._tell_oracle(operation, draft)
            self._plan_repeats(operation, draft)
            yield draft
            while self._repeats and self._repeats[0][0] <= number:
                yield heappop(self._repeats)[-1]
            if number % _STEP == 0:
                self._say(f"sent {number:,} of {count:,} operations")
        while self._repeats:
            yield heappop(self._repeats)[-1]

    def _draft(self, operation: DemoOperation) -> Draft:
        """Return the draft, its version by its position, its id by the present moment."""
        id_ = uuid7(self._app.clock.now_ms(), self._app.random.bits(_ID_RANDOM_BITS))
        return Draft(
            collection=operation.collection,
            key=operation.key,
            data=operation.data,
            kind=operation.kind,
            id=uuid.UUID(bytes=id_),
            version=at_milliseconds(self.first_ms) + operation.position,
            priority=operation.priority,
        )

    def _tell_oracle(self, operation: DemoOperation, draft: Draft) -> None:
        collection = self._app.settings.collections[operation.collection]
        id_: uuid.UUID = draft.id  # type: ignore[assignment]
        self.oracle.add(
            HistoryEntry(
                collection=operation.collection,
                key_text=canonical_key(collection, operation.key),
                kind=operation.kind,
                version=at_milliseconds(self.first_ms) + operation.position,
                tie=tie_of(id_.bytes),
                op_id=str(id_),
                data=operation.data,
            )
        )

    def _plan_repeats(self, operation: DemoOperation, draft: Draft) -> None:
        for repeat in range(1, operation.copies):
            spread = operation.position * repeat * _STRIDE % _REPEAT_SPREAD
            turn = operation.position + _REPEAT_AFTER + spread
            heappush(self._repeats, (turn, operation.position * 4 + repeat, draft))
