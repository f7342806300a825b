"""Who calls the callbacks of deliveries, and that none of them is lost or does harm."""

from __future__ import annotations

import asyncio
import math
import signal
import threading
from contextlib import contextmanager

import pytest

from syncpipe.errors import BrokerUnavailable, ClientClosed, DeliveryTimeout
from syncpipe.producer import audience, lifetime
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from tests.patience import eventually
from tests.unit.producer.parts import client_on, sent_operations

#: Longer than any wait that ends by itself.
PATIENCE_S = 120


class HookedBroker(MemoryBroker):
    """A broker that calls `hook` once, before it takes anything."""

    hook = None

    def publish(self, messages, *, timeout_s):
        hook, self.hook = self.hook, None
        if hook is not None:
            hook()
        return super().publish(messages, timeout_s=timeout_s)


@pytest.fixture
def broker():
    return HookedBroker(SystemClock())


@pytest.fixture
def client(broker):
    with _client(broker) as opened:
        yield opened


@pytest.fixture(name="unstartable")
def _unstartable(monkeypatch):
    """No thread can be started, as at interpreter exit."""

    def refuse(_thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)


def _client(broker, **options):
    return client_on(broker, **{"linger_ms": 10_000, **options})


def _raise(error):
    raise error


@contextmanager
def _no_thread(client):
    """Within, only the calling thread sends: the client's own is one that does not run."""
    turn = client._sender._turn
    turn.thread, before = threading.Thread(), turn.thread
    if before is not None:
        with turn._work.lock:
            turn._work.notify_all()
        before.join(PATIENCE_S)
    yield
    with turn._work.lock:
        turn.mourn()


def test_a_flush_calls_nobody_back_so_its_caller_may_hold_any_lock(client):
    lock, told = threading.Lock(), []

    def listen(_receipt, _error):
        with lock:
            told.append(threading.current_thread().name)

    with lock, _no_thread(client):
        client.upsert("orders", "o", {}, on_delivery=listen)
        assert client.flush(PATIENCE_S) == 0
    client.close()

    assert told == ["syncpipe-sender"]


def test_a_flush_while_a_callback_waits_for_its_caller_sends(client):
    lock, entered = threading.Lock(), threading.Event()

    def listen(_receipt, _error):
        entered.set()
        with lock:
            pass

    with lock:
        client.upsert("orders", "o", {}, on_delivery=listen)
        assert client.flush(PATIENCE_S) == 0
        assert entered.wait(PATIENCE_S)
        client.upsert("orders", "p", {}, on_delivery=listen)
        assert client.flush(PATIENCE_S) == 0


def test_a_flush_that_nobody_listens_to_wakes_no_thread(client, monkeypatch):
    turn, woken = client._sender._turn, []

    def the_thread_naps():
        """It may first look during the flush, and has nothing to do for a while then."""
        client.upsert("orders", "o", {})
        client.flush()
        return math.isfinite(turn._looks_at)

    eventually(the_thread_naps)
    with monkeypatch.context() as patch:
        patch.setattr(turn._work, "notify_all", lambda: woken.append(1))
        for n in range(10):
            client.upsert("orders", f"{n}", {})
            assert client.flush() == 0

    assert not woken


def test_an_interrupted_flush_takes_the_news_of_nobody(client):
    told = []
    receipts = [
        client.upsert("orders", f"{n}", {}, on_delivery=lambda *news: told.append(news))
        for n in range(3)
    ]
    batch = client.send_many(("orders", f"many {n}", {}) for n in range(3))
    progress = client._sender._progress

    def interrupt():
        del progress.notify_all
        raise KeyboardInterrupt

    with _no_thread(client):
        progress.notify_all = interrupt
        with pytest.raises(KeyboardInterrupt):
            client.flush()
    assert client.flush(PATIENCE_S) == 0

    assert batch.wait(PATIENCE_S).ok
    assert all(receipt.confirmed for receipt in receipts)
    assert eventually(lambda: len(told) == 3)


def test_what_was_read_of_a_stream_is_told_when_it_closes_the_client(client):
    told = []

    def stream():
        yield ("orders", "a", {})
        yield ("people", "b", {})
        client.close(0)
        yield ("orders", "c", {})

    with pytest.raises(ClientClosed):
        client.send_many(stream(), on_fault=told.append)
    assert sorted(fault.index for fault in told) == [0, 1]
    assert all(isinstance(fault.error, ClientClosed) for fault in told)


def test_every_fault_is_told_though_telling_fails(client, broker, caplog):
    told = []

    def refuse(fault):
        told.append(fault.index)
        raise RuntimeError("my own fault")

    batch = client.send_many((("orders", f"{n}", {}) for n in range(3)), on_fault=refuse)
    client.close(0)

    assert sorted(told) == [0, 1, 2]
    assert batch.wait(PATIENCE_S).failed == 3
    assert "my own fault" in caplog.text
    assert sent_operations(broker) == []


@pytest.mark.parametrize("error", [SystemExit(1), asyncio.CancelledError(), KeyboardInterrupt()])
def test_nothing_that_a_callback_raises_ends_the_sending(client, broker, caplog, error):
    told = []
    client.upsert("orders", "o", {}, on_delivery=lambda *_: _raise(error))
    client.upsert("orders", "p", {}, on_delivery=lambda *_: told.append(1))
    assert client.flush(PATIENCE_S) == 0
    eventually(lambda: told)

    assert client.upsert("orders", "q", {}).queues
    assert client.flush(PATIENCE_S) == 0
    assert len(sent_operations(broker)) == 3
    assert "A delivery callback raised." in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_in_its_turn_leaves_it_to_another(broker):
    client = _client(broker, linger_ms=0)
    dying = []

    def die():
        dying.append(threading.current_thread())
        raise SystemExit(1)

    broker.hook = die
    assert client.upsert("orders", "o", {}).wait(PATIENCE_S).confirmed
    assert client.close() == 0
    dying[0].join(PATIENCE_S)  # so that pytest hears of its end now, and not in a later test


def test_a_crowd_of_listeners_is_told_before_more_is_sent(client, monkeypatch):
    told, gate, entered = [], threading.Event(), threading.Event()

    def listen(*_):
        entered.set()
        gate.wait()
        told.append(1)

    for n in range(3):
        client.upsert("orders", f"{n}", {}, on_delivery=listen)
    client.flush()
    assert entered.wait(PATIENCE_S)
    monkeypatch.setattr(audience, "_CROWD", 0)
    client.upsert("orders", "later", {})
    assert client.flush(0.05) == 1
    gate.set()
    assert client.flush(PATIENCE_S) == 0
    assert len(told) == 3


def test_a_crowd_counts_the_operations_of_a_batch(client, monkeypatch):
    monkeypatch.setattr(audience, "_CROWD", 3)
    monkeypatch.setattr(client._sender._audience, "tell", lambda: None)
    client.send_many(("orders", f"{n}", {}) for n in range(4))
    client.flush()
    assert client._sender._audience.crowded


@pytest.mark.usefixtures("unstartable")
def test_without_a_thread_a_flush_tries_again_by_itself(broker):
    broker.fail(BrokerUnavailable("Away."), times=2)
    client = _client(broker)
    receipt = client.upsert("orders", "o", {})

    assert client.flush(PATIENCE_S) == 0
    assert receipt.confirmed


@pytest.mark.usefixtures("unstartable")
@pytest.mark.parametrize("timeout_s", [None, PATIENCE_S], ids=["patient", "short"])
def test_without_a_thread_a_close_sends_and_tells(broker, timeout_s):
    broker.fail(BrokerUnavailable("Away."))
    client = _client(broker)
    told = []
    receipt = client.upsert("orders", "o", {}, on_delivery=lambda *news: told.append(news))

    assert client.close(timeout_s) == 0
    assert told == [(receipt, None)]


def test_a_client_that_cannot_finish_keeps_no_other_from_it(monkeypatch, caplog):
    class Thing:
        finished = False

        def __init__(self, error=None):
            self.error = error

        def finish(self):
            self.finished = True
            if self.error:
                raise self.error

    things = [Thing(), Thing(RuntimeError("my own fault")), Thing()]
    monkeypatch.setattr(lifetime, "_FINISHABLE", things)
    lifetime._finish_all()

    assert all(thing.finished for thing in things)
    assert "my own fault" in caplog.text


def test_a_close_in_a_handler_that_interrupts_the_sending_gives_up_nothing(broker):
    client = _client(broker)
    closed = []
    broker.hook = lambda: closed.append(client.close())
    first, second = client.upsert("orders", "o", {}), client.upsert("people", "p", {})

    with _no_thread(client):
        assert client.flush(PATIENCE_S) == 0
    assert closed == [2]
    assert first.confirmed
    assert second.confirmed
    with pytest.raises(ClientClosed):
        client.upsert("orders", "q", {})
    assert client.close() == 0


def test_a_close_in_a_handler_lets_the_thread_end_whatever_it_interrupts(broker):
    client = _client(broker, linger_ms=0)
    client.upsert("orders", "o", {}).wait(PATIENCE_S)
    seen = []

    def close(*_):
        seen.append((client.close(), client._sender._turn.thread))

    before = signal.signal(signal.SIGTERM, close)
    try:
        with client._sender._progress.lock:
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert seen == [(0, None)]


def test_what_is_being_sent_when_the_client_closes_may_be_stored(broker):
    client = _client(broker, linger_ms=0)
    entered, gate = threading.Event(), threading.Event()
    broker.hook = lambda: (entered.set(), gate.wait())
    sent = client.upsert("orders", "o", {})
    assert entered.wait(PATIENCE_S)
    waiting = client.upsert("orders", "o", {})

    assert client.close(0) == 2
    gate.set()
    with pytest.raises(DeliveryTimeout):
        sent.wait(0)
    with pytest.raises(ClientClosed):
        waiting.wait(0)


def test_what_may_be_stored_by_an_earlier_try_is_not_called_unsent(broker):
    client = _client(broker, linger_ms=0)
    broker.fail(DeliveryTimeout("Silent."), times=1_000_000)
    receipt = client.upsert("orders", "o", {})
    eventually(lambda: client._sender._backoff.failures)

    client.close(0)
    with pytest.raises(DeliveryTimeout):
        receipt.wait(0)
