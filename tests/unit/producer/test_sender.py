"""The life of the thread between buffer and broker."""

from __future__ import annotations

import gc
import weakref

import pytest

from syncpipe.producer import turn
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from tests.patience import eventually
from tests.unit.producer.parts import client_on, sent_operations


@pytest.fixture
def broker():
    return MemoryBroker(SystemClock())


def _client(broker, *, linger_ms=0):
    return client_on(broker, linger_ms=linger_ms)


def test_a_client_that_sent_nothing_has_no_thread(broker):
    client = _client(broker)

    assert client._sender._turn.thread is None
    assert client.close() == 0


def test_an_idle_thread_ends_and_the_next_operation_starts_another(broker, monkeypatch):
    monkeypatch.setattr(turn, "_IDLE_S", 0.01)
    client = _client(broker)
    client.upsert("orders", "o", {}).wait()
    eventually(lambda: client._sender._turn.thread is None)

    assert client.upsert("orders", "o", {}).wait().confirmed
    assert len(sent_operations(broker)) == 2
    client.close()


def test_a_forgotten_client_sends_what_it_holds_and_is_collected(broker, monkeypatch):
    monkeypatch.setattr(turn, "_IDLE_S", 0.01)
    client = _client(broker, linger_ms=1)
    receipt = client.upsert("orders", "o", {})
    trace = weakref.ref(client._sender)
    del client

    assert receipt.wait().confirmed
    del receipt
    eventually(lambda: gc.collect() is not None and trace() is None)


def test_a_callback_may_use_the_client_without_a_deadlock(broker):
    client = _client(broker)
    seen = []

    def use(_receipt, _error):
        client.upsert("orders", "from the callback", {})
        seen.append(client.flush())

    client.upsert("orders", "o", {}, on_delivery=use)
    eventually(lambda: seen)

    assert seen == [1]
    assert client.close() == 0
    assert len(sent_operations(broker)) == 2


def test_a_callback_may_close_the_client(broker):
    client = _client(broker)
    closed = []
    client.upsert("orders", "o", {}, on_delivery=lambda *_: closed.append(client.close()))

    assert eventually(lambda: closed) == [0]
