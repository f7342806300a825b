"""Whoever sends many operations helps the client's own thread, and never relies on it in vain."""

from __future__ import annotations

import threading

import pytest

from syncpipe.producer.turn import Turn
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from tests.patience import eventually
from tests.unit.producer.parts import client_on, sent_operations

#: So long that nobody waits for it.
NEVER = {"linger_ms": 100_000, "delivery_timeout_s": 400}


class Broker(MemoryBroker):
    """A broker that knows who publishes, and interrupts whoever it is told to."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.threads: list[threading.Thread] = []
        self.interrupts = False

    def publish(self, messages, *, timeout_s):
        self.threads.append(threading.current_thread())
        if self.interrupts:
            self.interrupts = False
            raise KeyboardInterrupt
        return super().publish(messages, timeout_s=timeout_s)


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def unaided(monkeypatch):
    """Clients get no thread of their own, which might send first, however slow the machine is."""
    monkeypatch.setattr(Turn, "_start", lambda _: False)


def _client(broker, **options):
    return client_on(broker, shards=1, **options)


def _many(count):
    return [("orders", "o", {"n": n}) for n in range(count)]


@pytest.mark.usefixtures("unaided")
def test_whoever_sends_many_sends_what_is_full(broker):
    def stream():
        yield from _many(300)
        assert threading.current_thread() in broker.threads

    with _client(broker, batch_max_ops=50, **NEVER) as client:
        client.send_many(stream())
        assert client.flush() == 0
    assert len(sent_operations(broker)) == 300


def test_what_is_full_goes_on_when_the_stream_ends(broker):
    with _client(broker, batch_max_ops=10, **NEVER) as client:
        client.send_many(iter(_many(15)))
        eventually(lambda: len(sent_operations(broker)) == 10)


def test_what_is_full_goes_on_when_the_stream_pauses(broker):
    def stream():
        yield from _many(15)
        eventually(lambda: len(sent_operations(broker)) == 15)

    with _client(broker, batch_max_ops=10, linger_ms=5) as client:
        assert client.send_many(stream()).accepted == 15


def test_a_full_buffer_is_emptied_at_once(broker):
    room = {"batch_max_ops": 2, "buffer_max_bytes": 2_000, "max_block_s": 60}
    with _client(broker, **room, **NEVER) as client:
        assert client.send_many(_many(40)).rejected == 0


def test_nothing_lingers_in_a_full_buffer(broker):
    with _client(broker, buffer_max_bytes=2_000, max_block_s=60, **NEVER) as client:
        assert client.send_many(iter(_many(40))).rejected == 0
        for number in range(40):
            client.upsert("orders", "o", {"n": number})


@pytest.mark.usefixtures("unaided")
def test_one_who_is_interrupted_while_helping_leaves_nothing_behind(broker):
    with _client(broker, batch_max_ops=10, **NEVER) as client:
        broker.interrupts = True
        with pytest.raises(KeyboardInterrupt):
            client.send_many(iter(_many(200)))
        assert client.flush() == 0
        assert client.send_many(_many(3)).accepted == 3
        assert client.flush() == 0
    assert len(sent_operations(broker)) == 64 + 3
