"""Both clients behind one door, on brokers in memory; every store; and every target."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from syncpipe.producer.aio import AsyncClient
from syncpipe.producer.client import Client
from syncpipe.producer.options import ClientOptions
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.system import SystemRandom
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.store import MemoryStore
from tests.contract.targets import TARGETS
from tests.doors import LoopDoor, running_loop
from tests.integration.targets.places import OLD, YOUNG, new_key
from tests.slowness import SkippingClock, SlowBroker
from tests.unit.producer.parts import COLLECTIONS

#: Nothing is sent by itself within a test.
PATIENT = ClientOptions(linger_ms=3_600_000, delivery_timeout_s=4 * 3600)


@pytest.fixture
def loop():
    with running_loop() as running:
        yield running


@pytest.fixture
def clock():
    return SkippingClock()


@pytest.fixture
def broker(clock):
    return MemoryBroker(clock)


@pytest.fixture(params=["threads", "loop"])
def opened(request, broker, clock, loop):
    """Opens clients: ``opened(options, broker)``."""
    doors = []

    def make(options=PATIENT, through=broker):
        parts = {
            "collections": COLLECTIONS,
            "shards": 8,
            "broker": through,
            "clock": clock,
            "random": SystemRandom(),
            "options": options,
        }
        if request.param == "threads":
            door = Client(**parts)
        else:
            door = LoopDoor(AsyncClient(**parts), loop)
        doors.append(door)
        return door

    yield make
    for door in doors:
        door.close(0)


@pytest.fixture
def client(opened):
    return opened()


@pytest.fixture
def slow(broker, clock):
    return SlowBroker(broker, clock)


class GatedBroker(MemoryBroker):
    """A broker that answers only once its gate is open."""

    def __init__(self, clock):
        super().__init__(clock)
        self.gate = threading.Event()
        self.asked = threading.Event()

    def publish(self, messages, *, timeout_s):
        self.asked.set()
        self.gate.wait()
        return super().publish(messages, timeout_s=timeout_s)


@pytest.fixture
def gated(clock):
    broker = GatedBroker(clock)
    yield broker
    broker.gate.set()


@pytest.fixture(params=[None, "postgres", "postgres_16"], ids=["memory", "pg18", "pg16"])
def store(request):
    """An empty store: in memory, and in each release of PostgreSQL."""
    if request.param is None:
        yield MemoryStore()
        return
    server = request.getfixturevalue(request.param)
    dsn = server.new_database()
    with closing(PostgresStore(StoreOptions(dsn))) as opened:
        opened.migrate()
        yield opened
    server.drop_database(dsn)


@pytest.fixture(scope="module", params=TARGETS)
def place(request):
    opened, server = TARGETS[request.param]
    with opened(request.getfixturevalue(server) if server else None) as place:
        yield place


@pytest.fixture(params=[YOUNG, OLD], ids=["young", "old"])
def at(request):
    """The version that a test begins at: young ones may take a shorter way."""
    return request.param


@pytest.fixture
def key():
    return new_key()
