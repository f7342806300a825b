"""Connections to a real Redis, with the claim transport and with kombu's own."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from kombu import Connection, Consumer, Producer, Queue
from redis import Redis

from tests.integration.transport.trial import STOCK
from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

CLAIM = "syncpipe.transport.redis:Transport"
OPAQUE = "application/x-syncpipe"


def queue_of(name: str) -> Queue:
    """Return a queue that is reached by its name."""
    return Queue(name, exchange="", routing_key=name)


def connected(url: str, transport: str, **options: Any) -> Connection:
    """Return a connection of that transport, whichever the URL's scheme stands for now."""
    connection = Connection(url, transport_options=options)
    connection.transport_cls = transport
    return connection


@dataclass
class Side:
    """One connection and what it has received."""

    connection: Connection
    received: list[Any] = field(default_factory=list)
    consumer: Consumer | None = None

    @property
    def channel(self):
        return self.connection.default_channel

    @property
    def bodies(self) -> list[Any]:
        return [message.payload for message in self.received]

    def send(self, queue: str, *bodies: Any, priority: int = 0) -> None:
        producer = Producer(self.channel, serializer="json")
        for body in bodies:
            producer.publish(body, exchange="", routing_key=queue, priority=priority)

    def listen(self, *queues: str, prefetch: int = 0, no_ack: bool = False) -> Side:
        self.consumer = Consumer(
            self.channel,
            [queue_of(name) for name in queues],
            on_message=self.received.append,
            accept=["json", OPAQUE, "application/octet-stream"],
            no_ack=no_ack,
        )
        self.consumer.qos(prefetch_count=prefetch)
        self.consumer.consume()
        return self

    def drain(self, number: int, *, within_s: float = 60.0) -> list[Any]:
        """Receive until there are *number* messages in all."""
        deadline = time.monotonic() + within_s
        while len(self.received) < number:
            assert time.monotonic() < deadline, f"{len(self.received)} of {number} came"
            self.poll(0.2)
        return self.received

    def poll(self, seconds: float) -> None:
        """Receive what comes within so many seconds."""
        try:
            self.connection.drain_events(timeout=seconds)
        except socket.timeout:  # noqa: UP041 - what kombu promises
            return

    def claim_now(self) -> None:
        """Let at least one whole claim be answered, and none be under way."""
        self.poll(0.05)
        self.poll(0.05)
        eventually(lambda: self.poll(0.05) or not self.channel._claiming)


@dataclass
class Sides:
    """Makes sides on one Redis and closes them."""

    url: str
    made: list[Side] = field(default_factory=list)

    def __call__(self, transport: str = CLAIM, **options: Any) -> Side:
        if transport == CLAIM:
            options.setdefault("liveness_s", 1.0)
        side = Side(connected(self.url, transport, **options))
        self.made.append(side)
        return side

    def stock(self) -> Side:
        return self(STOCK)

    def close(self) -> None:
        for side in self.made:
            side.connection.close()


@pytest.fixture
def side(redis_url) -> Iterator[Sides]:
    sides = Sides(redis_url)
    yield sides
    sides.close()


@pytest.fixture
def server(redis, redis_url) -> Iterator[Redis]:
    """A plain client of the same, empty Redis; what a test configures is set back."""
    assert redis_url
    with Redis(unix_socket_path=redis.socket) as client:
        before = client.config_get("m*")
        yield client
        for name in ("maxmemory", "maxmemory-policy", "min-replicas-to-write"):
            client.config_set(name, before[name])


@pytest.fixture
def held(server):
    """Returns how many messages are claimed and not acknowledged."""
    return lambda: sum(server.hlen(key) for key in server.keys("*syncpipe:unacked:*"))


@pytest.fixture(name="eventually")
def _eventually():
    return eventually
