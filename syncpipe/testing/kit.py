"""The harness: one object with a client, a pipeline and assertions, and no servers.

.. code-block:: python

    with Harness(Collection("orders", ("crm",))) as syncpipe:
        syncpipe.client.upsert("orders", "o-1", {"total": 12})
        syncpipe.assert_enqueued(collection="orders", key="o-1", data__contains={"total": 12})
        syncpipe.drain()
        assert syncpipe.record("orders", "o-1") == {"total": 12}
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from syncpipe.core.codec import decode_all
from syncpipe.core.deadletter import DeadLetter, decode_dead
from syncpipe.core.envelope import unseal
from syncpipe.core.keys import canonical_key
from syncpipe.core.routing import DEAD_QUEUE, queues_of
from syncpipe.errors import UnknownCollection, UnknownTarget
from syncpipe.ops.compensating import sweep
from syncpipe.ops.promoting import Promoting
from syncpipe.pipeline import Done, Later, Message, WorkerOptions
from syncpipe.pipeline.log import BatchLog
from syncpipe.pipeline.runner import Pipeline
from syncpipe.producer.client import Client
from syncpipe.producer.compensation import Compensator
from syncpipe.producer.options import ClientOptions
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.criteria import fits, listed
from syncpipe.testing.store import MemoryStore
from syncpipe.testing.target import MemoryTarget

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self, Unpack

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.core.outcome import Outcome
    from syncpipe.errors import TargetError
    from syncpipe.pipeline import Report
    from syncpipe.producer.draft import Key
    from syncpipe.testing.broker import Delivery
    from syncpipe.testing.criteria import Criteria

#: Envelopes in one batch.
_BATCH = 64
#: Dead letters looked at, at most.
_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """What one `Harness.drain` did."""

    #: Operations by what became of them.
    counts: Mapping[Outcome, int]
    #: Envelopes that wait to be given again; advance the clock and drain once more.
    waiting: int

    def __getitem__(self, outcome: Outcome) -> int:
        """Return how many operations ended as *outcome*."""
        return self.counts.get(outcome, 0)


@dataclass(frozen=True, slots=True)
class _Held:
    delivery: Delivery
    attempts: int
    due_at: float


@dataclass(frozen=True, slots=True)
class _ClientClock:
    """The fake wall clock for versions, the real one for the pace of the client's thread."""

    wall: FakeClock
    pace: SystemClock = field(default_factory=SystemClock)

    def now_ms(self) -> int:
        return self.wall.now_ms()

    def monotonic(self) -> float:
        return self.pace.monotonic()


class Harness:
    """The whole way of operations in memory, on the real wire bytes and the real pipeline."""

    def __init__(
        self,
        *collections: Collection,
        shards: int = 8,
        seed: int = 0,
        client: ClientOptions | None = None,
        worker: WorkerOptions | None = None,
    ) -> None:
        """Declare *collections*; randomness starts from *seed*."""
        #: Moves only by ``advance``, and dates versions.
        self.clock = FakeClock()
        #: Carries the envelopes.
        self.broker = MemoryBroker(self.clock)
        #: Knows the groups, and what was given up.
        self.store = MemoryStore(self.clock)
        self._collections = {collection.name: collection for collection in collections}
        self._shards = shards
        #: Sends operations.
        self.client = Client(
            collections=self._collections,
            shards=shards,
            broker=self.broker,
            clock=_ClientClock(self.clock),
            random=SeededRandom(seed),
            options=client or ClientOptions(),
        )
        names = sorted({name for collection in collections for name in collection.targets})
        #: The targets by name.
        self.targets = {name: MemoryTarget(name, clock=self.clock) for name in names}
        self._pipelines = {
            name: self._pipeline(target, SeededRandom(seed), worker or WorkerOptions())
            for name, target in self.targets.items()
        }
        self._held: dict[str, list[_Held]] = {name: [] for name in names}
        self._compensator = Compensator(
            self._collections, clock=self.clock, random=SeededRandom(seed)
        )
        self._promoting = Promoting(
            self.store.schedule,
            self.broker,
            targets=names,
            shards=shards,
            clock=self.clock,
            random=SeededRandom(seed + 1),
        )

    def enqueued(self) -> list[Operation]:
        """Flush the client; return the operations that wait in the broker, once for each target."""
        self.client.flush()
        bodies = [body for queue in self._queues() for body in self.broker.peek(queue, limit=_ALL)]
        return [operation for body in bodies for operation, _ in decode_all(unseal(body).body)]

    def assert_enqueued(self, **criteria: Unpack[Criteria]) -> Operation:
        """Return the first operation that waits in the broker and fits all *criteria*.

        Raises:
            AssertionError: there is none; the message lists what waits.

        """
        waiting = self.enqueued()
        for operation in waiting:
            if self._fits(operation, criteria):
                return operation
        raise AssertionError(f"No such operation is enqueued. {listed(waiting)}")

    def refute_enqueued(self, **criteria: Unpack[Criteria]) -> None:
        """Check that no operation waits in the broker that fits all *criteria*.

        Raises:
            AssertionError: there is one; the message shows it.

        """
        fitting = [o for o in self.enqueued() if self._fits(o, criteria)]
        if fitting:
            raise AssertionError(f"Such an operation is enqueued. {listed(fitting)}")

    def drain(self) -> Summary:
        """Flush the client and run the pipeline until nothing is due, compensations included."""
        self.client.flush()
        counts: Counter[Outcome] = Counter()
        sent = 1
        while sent:
            for target in self.targets:
                while batch := self._take(target):
                    counts.update(self._run(target, batch).counts)
            sent = self._compensate()
        return Summary(counts, sum(map(len, self._held.values())))

    def fail(
        self,
        target: str,
        error: TargetError,
        *,
        times: int | None = 1,
        collection: str | None = None,
        key: Key | None = None,
    ) -> None:
        """Let *target* raise *error* the next *times*, always if None; see `MemoryTarget.fail`.

        With *collection* and *key* only batches with this record fail, as when it alone is bad.
        """
        text = None
        if collection is not None and key is not None:
            text = canonical_key(self._declared(collection), key)
        self._target(target).fail(error, times=times, key=text)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What was given up, oldest first."""
        return [decode_dead(body) for body in self.broker.peek(DEAD_QUEUE, limit=_ALL)]

    def record(
        self, collection: str, key: Key, *, target: str | None = None
    ) -> dict[str, Any] | None:
        """Return the record's document on *target*, by default the collection's first.

        None means that it does not exist.
        """
        declared = self._declared(collection)
        name = target or declared.targets[0]
        return self._target(name).record(collection, canonical_key(declared, key))

    def close(self) -> None:
        """Close client and pipelines. Idempotent."""
        self.client.close()
        for pipeline in self._pipelines.values():
            pipeline.close()

    def __enter__(self) -> Self:
        """Return the harness."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _pipeline(
        self, target: MemoryTarget, random: SeededRandom, options: WorkerOptions
    ) -> Pipeline:
        return Pipeline(
            target=target,
            collections=self._collections,
            broker=self.broker,
            clock=self.clock,
            random=random,
            options=options,
            log=BatchLog(_logger(), target.name, "harness"),
            groups=self.store.groups,
            outcomes=self.store.outcomes,
        )

    def _declared(self, collection: str) -> Collection:
        if collection not in self._collections:
            raise UnknownCollection(f"The harness has no collection {collection!r}.")
        return self._collections[collection]

    def _target(self, name: str) -> MemoryTarget:
        if name not in self.targets:
            raise UnknownTarget(f"The harness has no target {name!r}.")
        return self.targets[name]

    def _queues(self) -> list[str]:
        return [queue for target in self.targets for queue in queues_of(target, self._shards)]

    def _take(self, target: str) -> list[_Held]:
        """Take what is due: messages held for long enough first, then new ones."""
        now = self.clock.monotonic()
        due = [held for held in self._held[target] if held.due_at <= now]
        self._held[target] = [held for held in self._held[target] if held.due_at > now]
        fresh = self.broker.take(queues_of(target, self._shards), limit=_BATCH)
        return [*due, *(_Held(delivery, 0, now) for delivery in fresh)]

    def _run(self, target: str, batch: list[_Held]) -> Report:
        """Run one batch; acknowledge what is done, hold what is to come again."""
        messages = [
            Message(m.queue, m.message_id, m.body, held.attempts)
            for held in batch
            for m in [held.delivery.message]
        ]
        report = self._pipelines[target].run(messages)
        for held, verdict in zip(batch, report.verdicts, strict=True):
            match verdict:
                case Done():
                    self.broker.acknowledge([held.delivery])
                case Later(after_s, counted):
                    due_at = self.clock.monotonic() + after_s
                    again = _Held(held.delivery, held.attempts + counted, due_at)
                    self._held[target].append(again)
        return report

    def _compensate(self) -> int:
        """Undo the applied members of groups that ended dead; return what that has sent."""
        self.store.dead_letters.record(self.dead_letters)
        swept = sweep(self.store.groups, self._compensator)
        if swept.error is not None:
            raise swept.error
        return self._promoting.promote()

    def _fits(self, operation: Operation, criteria: Criteria) -> bool:
        return fits(operation, self._declared(operation.collection), criteria)


def _logger() -> Any:
    """Return a logger whose lines pytest captures."""
    return structlog.wrap_logger(
        logging.getLogger("syncpipe.testing"),
        processors=[structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
