"""Collections and small parts that the producer's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.core.codec import decode_all
from syncpipe.core.collection import Collection, KeyType, VersionSource
from syncpipe.core.envelope import unseal
from syncpipe.core.routing import Lane, Priority
from syncpipe.producer.accepted import Accepted, Route
from syncpipe.producer.client import Client
from syncpipe.producer.condition import Condition
from syncpipe.producer.options import ClientOptions
from syncpipe.producer.receipt import Lobby
from syncpipe.producer.ticket import Stretch, Ticket
from syncpipe.system import SystemClock, SystemRandom

if TYPE_CHECKING:
    from syncpipe.producer.many import BatchReceipt
    from syncpipe.testing.broker import MemoryBroker

COLLECTIONS = {
    "orders": Collection("orders", ("crm",), priority=Priority.HIGH),
    "people": Collection("people", ("crm", "search")),
    "lines": Collection(
        "lines", ("crm",), key=("order", "line"), key_types=(KeyType.STR, KeyType.INT)
    ),
    "prices": Collection("prices", ("crm",), version=VersionSource.SOURCE),
}


def client_on(broker: MemoryBroker, *, shards: int = 8, **options: float) -> Client:
    """A client on *broker* that takes time and chance from the system."""
    return Client(
        collections=COLLECTIONS,
        shards=shards,
        broker=broker,
        clock=SystemClock(),
        random=SystemRandom(),
        options=ClientOptions(**options),
    )


def route(shard: int = 0, priority: Priority = Priority.NORMAL) -> Route:
    """A route to the target ``crm``."""
    lane = Lane("crm", shard)
    return Route(lane, priority, lane.queue(priority))


def accepted(data: bytes, where: Route | None = None) -> Accepted:
    """An operation of these bytes, for one target."""
    where = where or route()
    return Accepted(bytes(16), 1, data, (where,), (where.queue,))


def ticket(data: bytes = b"x", *, until: float = 100.0) -> Ticket:
    """The ticket of an operation of these bytes, for one target."""
    lobby = Lobby(Condition())
    return Ticket(bytes(16), 1, (), lobby, size=len(data), missing=1, epoch=0, try_until=until)


def stretch(batch: BatchReceipt, first: Accepted, *, now: float = 0.0) -> Stretch:
    """The stretch that an operation of *batch* begins, which may be tried for 100 s."""
    return Stretch(batch, first, epoch=0, now=now, tries_s=100.0)


def sent(broker: MemoryBroker, queue: str | None = None) -> list[list]:
    """The operations in each envelope of *queue*, by default of all, in order."""
    queues = broker.queues() if queue is None else [queue]
    bodies = [body for name in queues for body in broker.peek(name, limit=100_000)]
    return [[operation for operation, _ in decode_all(unseal(body).body)] for body in bodies]


def sent_operations(broker: MemoryBroker, queue: str | None = None) -> list:
    """The operations in *queue*, by default in all, in order."""
    return [operation for envelope in sent(broker, queue) for operation in envelope]
