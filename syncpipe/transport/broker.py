"""The broker port: what syncpipe asks of a message broker, and the values that cross it.

Pure: this module knows no broker. An adapter keeps the promises written at each verb; one
contract suite (``tests/contract/test_broker.py``) holds every adapter to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from syncpipe.core.routing import parse_queue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from syncpipe.errors import SyncpipeError
    from syncpipe.resilience.quota import Quota

#: Every queue that belongs to syncpipe starts with this.
QUEUE_PREFIX = "sp."
#: The Celery task that takes envelopes.
APPLY_TASK = "syncpipe.apply"
#: The Celery task that takes dead letters.
DEAD_TASK = "syncpipe.dead"
#: The content type of the opaque bytes that travel as a message's body.
CONTENT_TYPE = "application/x-syncpipe"


@dataclass(frozen=True, slots=True)
class Outbound:
    """One message to publish."""

    #: The queue it goes to, such as ``sp.crm.3.normal`` or ``sp.dead``.
    queue: str
    #: Opaque bytes: an encoded envelope or a dead letter.
    body: bytes
    #: The id of the envelope, a UUID as text. The same id may be sent again.
    message_id: str
    #: The Celery task that takes it: ``syncpipe.apply`` or ``syncpipe.dead``.
    task: str


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How much waits in one queue."""

    #: Messages nobody has taken yet.
    ready: int
    #: Messages taken and not yet acknowledged, as of at most `Broker.unacked_lag_s` ago.
    unacked: int
    #: Seconds since the oldest ready message was published; None when there is none, when its
    #: publisher did not say when, or when the broker cannot tell without taking it (RabbitMQ).
    oldest_age_s: float | None


class Reclaimed(NamedTuple):
    """What became of the messages that the broker had set aside."""

    #: Those that went back to their queues.
    returned: int
    #: Those that stay aside: their queue is full, missing or without a leader.
    left: int


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a live worker process says about itself."""

    #: Its unique name.
    name: str
    #: Process id on its host.
    pid: int
    #: Name of its host.
    host: str
    #: Unix milliseconds of its start.
    started_ms: int
    #: Unix milliseconds of this announcement.
    seen_ms: int
    #: Whatever it counts, by name.
    counters: Mapping[str, int] = field(default_factory=dict)


class Broker(Protocol):
    """A message broker.

    Thread-safe, and usable after a fork (the child makes its own connections). Every verb returns
    or raises within its deadline, whatever the broker does. ``timeout_s`` bounds ``publish``; the
    other verbs are bounded by the adapter's own timeout (seconds) and raise
    :class:`~syncpipe.errors.BrokerUnavailable` when the broker cannot be asked.

    Queues go by their logical names, such as ``sp.crm.3.normal``. Where the broker's own names end
    in a version (RabbitMQ: ``sp.crm.3.normal.v1``), the adapter adds it, and accepts both forms.
    """

    #: Seconds that a count of taken messages may be old.
    unacked_lag_s: ClassVar[float] = 0.0

    def publish(
        self, messages: Sequence[Outbound], *, timeout_s: float
    ) -> list[SyncpipeError | None]:
        """Store messages; answer one verdict for each, by index.

        ``None`` means that the broker has confirmed it, and that it is as durable as the broker
        makes anything. An error means that it may not be stored: ``BrokerUnavailable``,
        ``QueueMissing`` and ``BrokerFull`` that it is not, ``DeliveryTimeout`` that nobody can
        know. Sending again is safe in every case, because appliers refuse repeats. Returns within
        ``timeout_s`` seconds.
        """
        ...

    def missing(self, queues: Sequence[str]) -> list[str]:  # noqa: ARG002 - for others to name
        """Return those of *queues* that do not exist, so that nothing can be sent to them.

        What all of them need goes by its name too: on RabbitMQ `sp.limit`. Where queues come with
        their first message, none is ever missing.
        """
        return []

    def unfit(self, queues: Sequence[str]) -> list[str]:  # noqa: ARG002 - for others to name
        """Return those of *queues*, and of what they need, that exist with other properties.

        Who only works does not ask this: on RabbitMQ it needs the management plugin.
        """
        return []

    def declare(self, queues: Sequence[str]) -> list[str]:  # noqa: ARG002 - for others to name
        """Make those of *queues* that are missing, and what they need; return both. Idempotent.

        Raises :class:`~syncpipe.errors.TopologyConflict` when one exists with other properties.
        """
        return []

    def reclaim(self) -> Reclaimed:
        """Send what the broker itself has set aside back to its queues; say how many messages.

        A message that was delivered very often is no bad message for that. One caller does it at a
        time; others wait for their turn, or raise ``BrokerUnavailable`` when that takes too long.
        """
        return Reclaimed(0, 0)

    def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """Return the depth of each named queue; a queue that does not exist is empty."""
        ...

    def ready(self, queues: Sequence[str]) -> int:
        """Return how many messages of *queues* nobody has taken yet.

        A queue that does not exist is empty. Workers ask this: it needs no more than working does.
        """
        ...

    def peek(self, queue: str, *, limit: int, offset: int = 0) -> list[bytes]:
        """Return up to ``limit`` ready bodies, oldest first, without taking them.

        On RabbitMQ every look is a delivery, and what was looked at more than once comes in any
        order: ask once for as many as are needed.
        """
        ...

    def purge(self, queue: str) -> int:
        """Delete all ready messages of a queue; return how many. Taken messages stay."""
        ...

    def queues(self) -> list[str]:
        """Return the names of all syncpipe queues that hold anything, sorted."""
        ...

    def undeclared(self, declared: Collection[str]) -> list[str]:
        """Return the names of lanes' queues that hold anything and are not *declared*, sorted.

        They hold what was sent with another number of shards, or another version of the topology.
        Workers ask this: it needs no more than working does. A broker that cannot tell which queues
        it has looks for those that continue the declared ones.
        """
        return [name for name in self.queues() if parse_queue(name) and name not in declared]

    def announce(self, worker: WorkerInfo, *, ttl_s: float) -> None:
        """Say that a worker lives; it is forgotten after ``ttl_s`` seconds. Idempotent.

        Raises ``BrokerFull`` while the broker takes nothing, though it may deliver.
        """
        ...

    def withdraw(self, name: str) -> None:
        """Forget a worker at once. Idempotent; an unknown name is no error."""
        ...

    def workers(self) -> list[WorkerInfo]:
        """Return the workers that have announced themselves and not expired, sorted by name.

        While the broker takes no announcements, those count whom this process knows from before and
        who are still connected; ``BrokerFull`` says that it knows nobody from before.
        """
        ...

    def reserve(
        self,
        target: str,  # noqa: ARG002 - for others to name
        operations: int,  # noqa: ARG002
        quota: Quota,  # noqa: ARG002
    ) -> float | None:
        """Take *operations* out of the *quota* that all processes share for *target*.

        Return the seconds to wait until they may begin, see `Quota.reserve`; None where the broker
        keeps no such thing, so that each process has to keep to its share.
        """
        return None

    def close(self) -> None:
        """Release connections. Idempotent."""
        ...

    def __enter__(self) -> Self:
        """Return the broker itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
