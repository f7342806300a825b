"""A broker in memory that carries the real bytes."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.broker import Broker, Outbound, QueueDepth, WorkerInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.errors import SyncpipeError
    from syncpipe.resilience.quota import Quota


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it lies in, or was taken from, a queue."""

    #: Number of the delivery, unique in this broker.
    tag: int
    #: The message as it was published.
    message: Outbound
    #: Milliseconds since the Unix epoch at which it was published.
    published_ms: int


@dataclass(slots=True)
class _Failure:
    error: SyncpipeError
    times: int
    stored: bool


class MemoryBroker(Broker):
    """A broker in memory, as :class:`syncpipe.transport.broker.Broker`.

    Beyond the port it lets a test take messages as a worker would (`take`, `acknowledge`,
    `restore`) and break it (`fail`).
    """

    def __init__(self, clock: Clock) -> None:
        """Make an empty broker that tells ages by *clock*."""
        self._clock = clock
        self._lock = threading.RLock()
        self._ready: dict[str, deque[Delivery]] = {}
        self._taken: dict[int, Delivery] = {}
        self._workers: dict[str, tuple[WorkerInfo, float]] = {}
        self._failures: deque[_Failure] = deque()
        self._spent: dict[str, float] = {}
        self._tags = itertools.count(1)

    def publish(
        self,
        messages: Sequence[Outbound],
        *,
        timeout_s: float,  # noqa: ARG002 - memory answers at once
    ) -> list[SyncpipeError | None]:
        """Store *messages*, unless `fail` has planned otherwise; answer one verdict for each."""
        with self._lock:
            return [self._publish(message) for message in messages]

    def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """Return the depth of each named queue."""
        with self._lock:
            return {queue: self._depth(queue) for queue in queues}

    def ready(self, queues: Sequence[str]) -> int:
        """Return how many messages of *queues* nobody has taken yet."""
        return sum(depth.ready for depth in self.depths(queues).values())

    def peek(self, queue: str, *, limit: int, offset: int = 0) -> list[bytes]:
        """Return up to *limit* ready bodies after *offset*, oldest first, without taking them."""
        with self._lock:
            ready = itertools.islice(self._ready.get(queue, ()), offset, offset + limit)
            return [delivery.message.body for delivery in ready]

    def purge(self, queue: str) -> int:
        """Delete all ready messages of *queue*; return how many."""
        with self._lock:
            return len(self._ready.pop(queue, ()))

    def queues(self) -> list[str]:
        """Return the names of all queues that hold anything, sorted."""
        with self._lock:
            taken = {delivery.message.queue for delivery in self._taken.values()}
            return sorted({queue for queue, ready in self._ready.items() if ready} | taken)

    def announce(self, worker: WorkerInfo, *, ttl_s: float) -> None:
        """Say that *worker* lives, for *ttl_s* seconds."""
        with self._lock:
            self._workers[worker.name] = (worker, self._clock.monotonic() + ttl_s)

    def withdraw(self, name: str) -> None:
        """Forget the worker *name*."""
        with self._lock:
            self._workers.pop(name, None)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that live, sorted by name."""
        with self._lock:
            now = self._clock.monotonic()
            live = [worker for worker, until in self._workers.values() if now < until]
            return sorted(live, key=lambda worker: worker.name)

    def reserve(self, target: str, operations: int, quota: Quota) -> float:
        """Take *operations* out of the *quota* that all share for *target*."""
        with self._lock:
            now, spent = self._clock.monotonic(), self._spent.get(target, 0.0)
            self._spent[target], wait_s = quota.reserve(spent, now, operations)
            return wait_s

    def close(self) -> None:
        """Do nothing: there is no connection, and messages outlive the client."""

    def take(self, queues: Iterable[str], *, limit: int) -> list[Delivery]:
        """Take up to *limit* messages as a worker does: queue after queue, oldest first."""
        with self._lock:
            deliveries: list[Delivery] = []
            for queue in queues:
                ready = self._ready.get(queue)
                while ready and len(deliveries) < limit:
                    deliveries.append(ready.popleft())
            self._taken |= {delivery.tag: delivery for delivery in deliveries}
            return deliveries

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Forget taken messages for good. Idempotent."""
        with self._lock:
            for delivery in deliveries:
                self._taken.pop(delivery.tag, None)

    def restore(self, deliveries: Sequence[Delivery]) -> None:
        """Put taken messages back where they were, the first foremost. Idempotent."""
        with self._lock:
            for delivery in reversed(deliveries):
                if self._taken.pop(delivery.tag, None) is not None:
                    self._ready.setdefault(delivery.message.queue, deque()).appendleft(delivery)

    def fail(
        self, error: SyncpipeError | None = None, *, times: int = 1, stored: bool = False
    ) -> None:
        """Answer the next *times* messages with *error* (default: `BrokerUnavailable`).

        With *stored* they are kept all the same, as when only the confirmation was lost.
        """
        error = error or BrokerUnavailable("The broker was told to fail.")
        with self._lock:
            self._failures.append(_Failure(error, times, stored))

    def _publish(self, message: Outbound) -> SyncpipeError | None:
        failure = self._next_failure()
        if failure is None or failure.stored:
            delivery = Delivery(next(self._tags), message, self._clock.now_ms())
            self._ready.setdefault(message.queue, deque()).append(delivery)
        return None if failure is None else failure.error

    def _next_failure(self) -> _Failure | None:
        while self._failures and self._failures[0].times <= 0:
            self._failures.popleft()
        if not self._failures:
            return None
        self._failures[0].times -= 1
        return self._failures[0]

    def _depth(self, queue: str) -> QueueDepth:
        ready = self._ready.get(queue, ())
        unacked = sum(delivery.message.queue == queue for delivery in self._taken.values())
        oldest = min((delivery.published_ms for delivery in ready), default=None)
        age = None if oldest is None else max(0.0, (self._clock.now_ms() - oldest) / 1000)
        return QueueDepth(len(ready), unacked, age)
