"""Whatever a broker does, sending returns or raises within its deadline, and works again after."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext

import pytest
from redis import Redis

from syncpipe.core.routing import Priority, lanes_of
from syncpipe.errors import BrokerFull, BrokerUnavailable, DeliveryTimeout
from syncpipe.producer.aio import AsyncClient
from syncpipe.producer.client import Client
from syncpipe.producer.options import ClientOptions
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound
from tests.chaos.processes import is_stopped
from tests.doors import LoopDoor, running_loop
from tests.integration.transport.relay import relay
from tests.patience import eventually
from tests.servers import redis_server
from tests.unit.producer.parts import COLLECTIONS

QUEUE = "sp.crm.0.normal"
#: Seconds that a call may take, and what a busy machine may add to them.
DEADLINE_S, SLACK_S = 1.0, 20.0
ERRORS = (BrokerFull, BrokerUnavailable, DeliveryTimeout)
TARGETS = sorted({target for each in COLLECTIONS.values() for target in each.targets})


class Place:
    """A broker of our own, reached through a relay, and the ways to break it."""

    def __init__(self, line, url, pid, full):
        self.line, self.url, self._pid, self.full = line, url, pid, full

    def open(self):
        return open_broker(self.url, clock=SystemClock())

    @contextmanager
    def killed(self):
        os.killpg(self._pid(), signal.SIGKILL)
        yield

    @contextmanager
    def stopped(self):
        pid = self._pid()
        os.killpg(pid, signal.SIGSTOP)
        try:
            eventually(lambda: is_stopped(pid))  # a thread may still confirm something
            yield
        finally:
            os.killpg(pid, signal.SIGCONT)

    @contextmanager
    def black_holed(self):
        self.line.go_dark(on=True)
        try:
            yield
        finally:
            self.line.go_dark(on=False)


@contextmanager
def _redis_place(_request):
    @contextmanager
    def full():
        with Redis(unix_socket_path=server.socket) as client:
            client.config_set("maxmemory", 1)
            try:
                yield
            finally:
                client.config_set("maxmemory", 0)

    with redis_server() as server, relay(server.socket) as line:
        yield Place(line, line.url, lambda: server.supervisor.pids()["redis"], full)


@contextmanager
def _rabbitmq_place(request):
    server = request.getfixturevalue("mortal_rabbitmq")

    @contextmanager
    def full():
        server.set_alarm(on=True)
        try:
            yield
        finally:
            server.set_alarm(on=False)

    with relay(server.port) as line:
        url = f"amqp://guest:guest@127.0.0.1:{line.port}/{server.new_host()}"
        yield Place(line, url, lambda: server.supervisor.pids()["rabbitmq"], full)


@pytest.fixture(scope="module", params=[_redis_place, _rabbitmq_place], ids=["redis", "rabbitmq"])
def place(request):
    with request.param(request) as made:
        lanes = [lane for target in TARGETS for lane in lanes_of(target, 1)]
        with made.open() as broker:
            broker.declare([QUEUE, *(lane.queue(each) for lane in lanes for each in Priority)])
        yield made


@pytest.fixture
def broker(place):
    with place.open() as opened:
        _until_it_works(opened)
        yield opened
        _until_it_works(opened)


def _messages(count, start=0, *, padding=5_000):
    return [
        Outbound(QUEUE, b"%d " % number + b"x" * padding, f"id-{number}", "syncpipe.apply")
        for number in range(start, start + count)
    ]


def _until_it_works(broker):
    eventually(lambda: broker.publish(_messages(1), timeout_s=5) == [None], within_s=120)


def _within(deadline_s, call):
    began = time.monotonic()
    answer = call()
    assert time.monotonic() - began < deadline_s + SLACK_S
    return answer


FAULTS = ["killed", "stopped", "black_holed", "full"]


@pytest.mark.parametrize("fault", FAULTS)
def test_publishing_answers_by_its_deadline(place, broker, fault):
    with getattr(place, fault)():
        verdicts = _within(DEADLINE_S, lambda: broker.publish(_messages(400), timeout_s=DEADLINE_S))
        assert len(verdicts) == 400
        if fault == "killed":  # it comes back by itself, perhaps in time
            assert all(verdict is None or isinstance(verdict, ERRORS) for verdict in verdicts)
        else:
            assert all(isinstance(verdict, ERRORS) for verdict in verdicts)
    _until_it_works(broker)


@contextmanager
def _client(broker):
    yield Client(broker=broker, **_parts())


@contextmanager
def _client_of_a_loop(broker):
    with running_loop() as loop:
        yield LoopDoor(AsyncClient(broker=broker, **_parts()), loop)


def _parts():
    return {
        "collections": COLLECTIONS,
        "shards": 1,
        "clock": SystemClock(),
        "random": SystemRandom(),
        "options": ClientOptions(linger_ms=0, delivery_timeout_s=DEADLINE_S),
    }


@pytest.mark.parametrize("fault", FAULTS)
def test_a_client_flushes_by_its_deadline(place, broker, fault):
    with ExitStack() as stack:
        connected, others = (
            [stack.enter_context(door(place.open())) for door in (_client, _client_of_a_loop)]
            for _ in range(2)
        )
        for client in connected:
            eventually(lambda each=client: each.upsert("orders", "warm", {}) and not each.flush())
        clients = [*connected, *others]
        with ThreadPoolExecutor(len(clients)) as threads, getattr(place, fault)():
            left = list(threads.map(_flush_in_vain, clients))
        if fault != "killed":  # it comes back by itself, perhaps in time
            assert left == [300] * len(clients)
        _until_it_works(broker)
        for client in clients:
            assert _within(2 * DEADLINE_S, client.close) == 0


def _flush_in_vain(client):
    """Send and flush while the broker is broken; return how many are not confirmed."""
    receipts = [client.upsert("orders", f"o{n}", {"x": "y" * 2_000}) for n in range(300)]
    left = _within(2 * DEADLINE_S, client.flush)
    assert left == sum(not receipt.confirmed for receipt in receipts)
    assert all(r.confirmed or isinstance(r.error, ERRORS) for r in receipts)
    return left


def test_what_was_confirmed_while_the_broker_was_killed_is_there(place, broker):
    broker.purge(QUEUE)
    confirmed, stop = set(), threading.Event()

    def send():
        number = 1_000
        while not stop.is_set():
            messages = _messages(20, number, padding=0)  # all are read at once in the end
            verdicts = broker.publish(messages, timeout_s=DEADLINE_S)
            confirmed.update(n for n, verdict in enumerate(verdicts, number) if verdict is None)
            number += 20

    sender = threading.Thread(target=send)
    sender.start()
    for _ in range(2):
        enough = len(confirmed) + 200
        eventually(lambda least=enough: len(confirmed) >= least, within_s=120)
        with place.killed():
            pass
    enough = len(confirmed) + 200
    eventually(lambda: len(confirmed) >= enough, within_s=120)
    stop.set()
    sender.join(60)

    with nullcontext(place.open()) as reader:
        bodies = reader.peek(QUEUE, limit=1_000_000)
        reader.close()
    assert confirmed - {int(body.split()[0]) for body in bodies} == set()
