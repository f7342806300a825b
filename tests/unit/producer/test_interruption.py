"""Ctrl-C while an operation is accepted, or sent: wherever it arrives, the client goes on."""

from __future__ import annotations

import itertools
import linecache
import sys
import threading
from collections import Counter

import pytest

from syncpipe.core.codec import decode_all
from syncpipe.core.envelope import unseal
from syncpipe.producer import (
    audience,
    backoff,
    buffer,
    bulk,
    client,
    dispatch,
    many,
    sender,
    tally,
    ticket,
    turn,
)
from syncpipe.system import SystemClock
from syncpipe.testing.broker import MemoryBroker
from tests.unit.producer.parts import client_on, sent_operations

#: The files in which the state of a client changes.
FILES = {
    module.__file__
    for module in (audience, buffer, bulk, client, dispatch, many, sender, tally, ticket, turn)
}
#: Longer than any wait that ends by itself.
PATIENCE_S = 120


class Interrupter:
    """Raises KeyboardInterrupt before the line that comes *number*-th, as a handler would."""

    def __init__(self, number):
        self.left = number

    def __enter__(self):
        sys.settrace(self._enter)
        return self

    def __exit__(self, kind, _error, _trace):
        sys.settrace(None)
        return kind is KeyboardInterrupt

    def _enter(self, frame, _event, _argument):
        return self._line if frame.f_code.co_filename in FILES else None

    def _line(self, frame, event, _argument):
        # No handler is ever called at a `try`, which does nothing, nor at the end of a block, where
        # the line that began it comes once more.
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
        if event == "line" and not line.startswith(("with ", "try:")):
            self.left -= 1
            if not self.left:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._line


class SecondInterrupter(Interrupter):
    """Counts lines only once something is restored after a first interruption."""

    restoring = False

    def _enter(self, frame, event, argument):
        self.restoring = self.restoring or frame.f_code.co_name == "_restore"
        return super()._enter(frame, event, argument) if self.restoring else None


@pytest.fixture
def broker():
    return MemoryBroker(SystemClock())


def new_client(broker, *, linger_ms=1, **options):
    return client_on(broker, linger_ms=linger_ms, **options)


def listened(client):
    """Three operations' receipts, and which of them their listeners were told of."""
    told = []

    def listen(receipt, _error):
        told.append(receipt)

    return [client.upsert("people", f"{n}", {}, on_delivery=listen) for n in range(3)], told


@pytest.mark.parametrize("before", [0, 3], ids=["first", "later"])
def test_no_flush_waits_for_an_operation_that_was_interrupted(broker, before):
    for number in itertools.count(1):
        with new_client(broker) as client:
            for _ in range(before):
                client.upsert("people", "earlier", {})
            with Interrupter(number) as interrupter:
                client.upsert("people", "interrupted", {})
            assert client.flush(PATIENCE_S) == 0, number
            assert client.upsert("people", "later", {}).wait(PATIENCE_S).confirmed
            assert client._sender._buffer.bytes == 0
        if interrupter.left > 0:
            break
    assert number > 20
    copies = [operation.key for operation in sent_operations(broker)]
    assert len(copies) >= 2 * number


def assert_it_goes_on(client, collection, number, later):
    """The client has nothing left after interruption *number*, and takes so many operations."""
    assert client.flush(PATIENCE_S) == 0, number
    assert client.send_many([(collection, "later", {})] * later).accepted == later
    assert client.flush(PATIENCE_S) == 0, number
    assert client._sender._buffer.bytes == 0


@pytest.mark.parametrize("collection", ["orders", "people"], ids=["one target", "two"])
def test_a_batch_that_was_interrupted_leaves_nothing_behind(broker, collection):
    for number in itertools.count(1):
        with new_client(broker, linger_ms=1000) as client:
            with Interrupter(number) as interrupter:
                client.send_many((collection, f"{number}", {"n": n}) for n in range(4))
            assert_it_goes_on(client, collection, number, later=1)
        if interrupter.left > 0:
            break
    assert number > 40
    for queue in broker.queues():
        sent = [(o.key, o.data.get("n")) for o in sent_operations(broker, queue)]
        for key in {key for key, _ in sent} - {"later"}:
            numbers = [n for name, n in sent if name == key]
            assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("collection", ["orders", "people"], ids=["one target", "two"])
def test_blocks_that_were_interrupted_leave_nothing_behind(broker, collection):
    for number in itertools.count(1):
        with new_client(broker, linger_ms=1000, shards=1, batch_max_ops=40) as client:
            with Interrupter(number) as interrupter:
                client.send_many([(collection, f"{number}", {"n": n}) for n in range(20)])
            assert_it_goes_on(client, collection, number, later=10)
        if interrupter.left > 0:
            break
    assert number > 40
    for queue in broker.queues():
        for body in broker.peek(queue, limit=100_000):
            envelope = unseal(body)
            assert envelope.header.count == len(list(decode_all(envelope.body)))
        sent = [(o.key, o.contents.get("n")) for o in sent_operations(broker, queue)]
        assert len([key for key, _ in sent if key == "later"]) == 10 * number
        for key in {key for key, _ in sent} - {"later"}:
            assert [n for name, n in sent if name == key] in (list(range(10)), list(range(20)))


@pytest.mark.parametrize("times", [0, 1], ids=["confirmed", "refused at first"])
def test_a_flush_that_was_interrupted_loses_nothing(broker, times, monkeypatch):
    monkeypatch.setattr(backoff, "_FIRST_S", 0.001)
    for number in itertools.count(1):
        broker.fail(times=times)
        with new_client(broker, linger_ms=1000) as client:
            receipts, told = listened(client)
            with Interrupter(number) as interrupter:
                client.flush()
            assert client.flush(PATIENCE_S) == 0, number
            assert all(receipt.confirmed for receipt in receipts), number
            assert client.upsert("people", "later", {}).queues
            assert client.flush(PATIENCE_S) == 0
            assert client._sender._buffer.bytes == 0
        assert Counter(told) == Counter(receipts), number
        if interrupter.left > 0:
            break
    assert number > 30


def test_a_flush_of_blocks_that_was_interrupted_loses_nothing(broker, monkeypatch):
    monkeypatch.setattr(backoff, "_FIRST_S", 0.001)
    for number in itertools.count(1):
        with new_client(broker, linger_ms=1000, shards=1, batch_max_ops=20) as client:
            batch = client.send_many([("people", f"{n}", {}) for n in range(10)])
            with Interrupter(number) as interrupter:
                client.flush()
            assert client.flush(PATIENCE_S) == 0, number
            assert client._sender._buffer.bytes == 0
        assert (batch.confirmed, batch.failed) == (10, 0), number
        if interrupter.left > 0:
            break
    assert number > 30


@pytest.mark.parametrize("timeout_s", [None, 0], ids=["patient", "at once"])
def test_a_close_that_was_interrupted_can_be_done_again(broker, timeout_s, monkeypatch):
    monkeypatch.setattr(backoff, "_FIRST_S", 0.001)
    for number in itertools.count(1):
        client = new_client(broker, linger_ms=10_000)
        receipts, told = listened(client)
        with Interrupter(number) as interrupter:
            client.close(timeout_s)
        client.close(timeout_s)
        assert Counter(told) == Counter(receipts), number
        assert all(receipt.confirmed or receipt.error for receipt in receipts), number
        assert client._sender._buffer.bytes == 0
        if interrupter.left > 0:
            break
    assert number > 20


def test_a_second_interruption_while_the_first_is_mended_keeps_the_turn_from_nobody(
    broker, monkeypatch
):
    monkeypatch.setattr(backoff, "_FIRST_S", 0.001)
    publish = broker.publish

    def interrupt(_messages, *, timeout_s):
        assert timeout_s
        broker.publish = publish
        raise KeyboardInterrupt

    for number in itertools.count(1):
        with new_client(broker, linger_ms=1000) as client:
            receipts = [client.upsert("people", f"{n}", {}) for n in range(3)]
            client._sender._turn.thread = threading.Thread()  # this thread is the one that sends
            broker.publish = interrupt
            with SecondInterrupter(number) as interrupter, pytest.raises(KeyboardInterrupt):
                client.flush()
            assert not client._sender._turn.mine, number
            assert client.flush(PATIENCE_S) == 0, number
            assert all(receipt.confirmed for receipt in receipts), number
        if interrupter.left > 0:
            break
    assert number > 10
