"""What both clients promise when sending fails, is late, or is too much."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from syncpipe.errors import (
    BrokerFull,
    BrokerUnavailable,
    BufferFull,
    ClientClosed,
    DeliveryTimeout,
    SyncpipeError,
)
from tests.contract.conftest import PATIENT
from tests.patience import eventually
from tests.unit.producer.parts import sent_operations

#: A buffer with room for one operation, and callers that do not wait for more.
TIGHT = dataclasses.replace(PATIENT, buffer_max_bytes=1, max_block_s=0.05)
#: What a `slow` broker uses up with two answers, and no machine by being slow.
LATE = dataclasses.replace(PATIENT, linger_ms=0)


def test_a_receipt_is_confirmed_only_when_every_copy_is(opened, broker, clock):
    client = opened(LATE)
    publish = broker.publish

    def refusing(messages, *, timeout_s):
        clock.skip(timeout_s)
        error = BrokerFull("No room.")
        return [
            error if m.queue.startswith("sp.search") else publish([m], timeout_s=timeout_s)[0]
            for m in messages
        ]

    broker.publish = refusing
    receipt = client.upsert("people", "p", {})

    with pytest.raises(BrokerFull):
        receipt.wait()
    assert len(sent_operations(broker, receipt.queues[0])) == 1


def test_what_the_broker_refuses_is_sent_again_with_the_same_id_and_version(client, broker):
    broker.fail(times=2)
    broker.fail(DeliveryTimeout("Lost."), stored=True)
    receipt = client.upsert("orders", "o", {})
    assert client.flush() == 0

    assert receipt.confirmed
    copies = sent_operations(broker)
    assert [(o.uuid, o.version) for o in copies] == [(receipt.id, receipt.version)] * 2


@pytest.mark.parametrize(
    ("error", "carried"),
    [
        (BrokerUnavailable("Away."), BrokerUnavailable),
        (BrokerFull("Full."), BrokerFull),
        (DeliveryTimeout("Silent."), DeliveryTimeout),
        (SyncpipeError("Odd."), DeliveryTimeout),
    ],
)
def test_after_the_deadline_the_receipt_carries_the_error(opened, slow, error, carried):
    client = opened(LATE, slow)
    slow.fail(error, times=1_000_000)
    receipt = client.upsert("orders", "o", {})

    with pytest.raises(carried, match=error.message) as late:
        receipt.wait()
    assert (late.value.operation_id, late.value.version) == (receipt.id, receipt.version)
    assert receipt.id in str(late.value)
    assert str(receipt.version) in str(late.value)


def test_once_a_copy_may_be_stored_no_later_refusal_hides_it(opened, slow):
    client = opened(LATE, slow)
    slow.fail(DeliveryTimeout("Silent."), stored=True)
    slow.fail(BrokerUnavailable("Away."), times=1_000_000)

    with pytest.raises(DeliveryTimeout):
        client.upsert("orders", "o", {}).wait()


def test_what_was_given_up_can_be_sent_again_and_cannot_be_doubled(opened, slow):
    client = opened(LATE, slow)
    slow.fail(DeliveryTimeout("Silent."), stored=True)
    slow.fail(times=1_000_000)
    with pytest.raises(DeliveryTimeout) as late:
        client.increment("orders", "o", {"n": 1}).wait()
    healthy = opened(PATIENT)
    again = healthy.increment(
        "orders", "o", {"n": 1}, id=late.value.operation_id, version=late.value.version
    )

    assert (again.id, again.version) == (late.value.operation_id, late.value.version)


def test_a_broker_that_raises_is_a_broker_that_refuses(opened, broker, clock):
    def broken(_messages, *, timeout_s):
        clock.skip(timeout_s)
        raise OSError("wires cut")

    broker.publish = broken
    client = opened(LATE)

    with pytest.raises(BrokerUnavailable, match="wires cut"):
        client.upsert("orders", "o", {}).wait()


def test_flush_reports_what_is_not_confirmed_in_time(opened, gated):
    client = opened(PATIENT, gated)
    client.upsert("orders", "o", {})
    client.upsert("orders", "o", {})

    assert client.flush(0.01) == 2
    gated.gate.set()
    assert client.flush() == 0


def test_flush_reports_what_was_given_up(opened, slow):
    client = opened(PATIENT, slow)
    slow.fail(times=1_000_000)
    client.upsert("orders", "o", {})

    assert client.flush() == 1
    assert client.flush() == 0


def test_a_full_buffer_makes_callers_wait_and_then_refuses(opened, gated):
    client = opened(TIGHT, gated)
    client.upsert("orders", "o", {})

    with pytest.raises(BufferFull) as full:
        client.upsert("orders", "o", {})
    assert full.value.retry_after > 0
    assert full.value.operation_id in str(full.value)


def test_a_caller_that_waits_for_room_goes_on_when_there_is_some(opened, gated):
    client = opened(dataclasses.replace(TIGHT, linger_ms=0, max_block_s=3600), gated)
    client.upsert("orders", "o", {"n": 1})
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(client.upsert, "orders", "o", {"n": 2})
        gated.gate.set()
        assert second.result().wait().confirmed


def test_a_caller_that_waits_for_room_is_told_when_the_client_closes(opened, gated):
    client = opened(dataclasses.replace(TIGHT, max_block_s=3600), gated)
    client.upsert("orders", "o", {})
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(client.upsert, "orders", "o", {})
        client.close(0.1)
        with pytest.raises(ClientClosed):
            second.result()


def test_a_callback_is_told_once_of_a_confirmation(client):
    told = []
    receipt = client.upsert("orders", "o", {}, on_delivery=lambda *news: told.append(news))
    client.flush()
    client.close()

    assert told == [(receipt, None)]


def test_a_callback_is_told_once_of_a_failure(opened, slow):
    client = opened(LATE, slow)
    slow.fail(times=1_000_000)
    told = []
    receipt = client.upsert("people", "p", {}, on_delivery=lambda *news: told.append(news))

    eventually(lambda: told)
    client.close(0)
    assert told == [(receipt, receipt.error)]
    assert isinstance(receipt.error, BrokerUnavailable)


def test_a_callback_that_raises_is_logged_and_the_rest_goes_on(client, caplog):
    def refuse(_receipt, _error):
        raise RuntimeError("my own fault")

    client.upsert("orders", "o", {}, on_delivery=refuse)
    client.flush()

    assert client.upsert("orders", "o", {}).queues
    assert client.flush() == 0
    eventually(lambda: "my own fault" in caplog.text)


def test_close_gives_up_what_cannot_be_sent_in_time(opened, gated):
    client = opened(PATIENT, gated)
    told = []
    receipts = [
        client.upsert("orders", "o", {"n": n}, on_delivery=lambda *news: told.append(news))
        for n in range(3)
    ]

    assert client.close(0.05) == 3
    for receipt in receipts:
        with pytest.raises((ClientClosed, DeliveryTimeout)):
            receipt.wait(0)
    gated.gate.set()
    assert told == [(receipt, receipt.error) for receipt in receipts]


@pytest.mark.parametrize("made", [iter, list])
def test_many_items_that_could_not_be_sent_are_reported_by_index(opened, slow, made):
    client = opened(PATIENT, slow)
    slow.fail(times=1_000_000)
    batch = client.send_many(made([("orders", f"o-{n}", {}) for n in range(70)]))
    assert client.flush() == 70
    batch.wait()

    assert batch.failed == 70
    assert sorted(fault.index for fault in batch.faults) == list(range(70))
    assert all(isinstance(fault.error, BrokerUnavailable) for fault in batch.faults)


@pytest.mark.parametrize("made", [iter, list])
def test_a_fault_names_the_operation_so_that_it_can_be_sent_again(opened, slow, broker, made):
    client = opened(PATIENT, slow)
    slow.fail(DeliveryTimeout("Silent."), stored=True)
    slow.fail(times=1_000_000)
    batch = client.send_many(made([("people", f"{n}", {"n": n}) for n in range(70)]))
    assert client.flush() == 70
    batch.wait()

    stored = {(o.contents["n"], o.uuid, o.version) for o in sent_operations(broker)}
    assert stored <= {(f.index, f.error.operation_id, f.error.version) for f in batch.faults}
    assert len(batch.faults) == len({fault.index for fault in batch.faults}) == batch.failed == 70


def test_an_item_for_which_there_is_no_room_is_a_fault(opened, gated):
    client = opened(TIGHT, gated)
    batch = client.send_many(("orders", "o", {"n": n}) for n in range(3))
    gated.gate.set()
    client.flush()

    assert [(fault.index, type(fault.error)) for fault in batch.faults] == [
        (1, BufferFull),
        (2, BufferFull),
    ]
    assert batch.wait().confirmed == 1


def test_each_item_of_blocks_for_which_there_is_no_room_is_a_fault(opened, gated):
    client = opened(dataclasses.replace(TIGHT, buffer_max_bytes=45_000, linger_ms=3_000), gated)
    batch = client.send_many([("orders", "o", {"n": n}) for n in range(300)])
    gated.gate.set()
    client.flush()

    refused = [fault.index for fault in batch.faults]
    assert 0 < batch.wait().confirmed == 300 - len(refused) < 300
    assert refused == list(range(batch.confirmed, 300))
    assert {type(fault.error) for fault in batch.faults} == {BufferFull}
    assert len({(f.error.operation_id, f.error.version) for f in batch.faults}) == len(refused)


def test_nothing_lingers_in_a_full_buffer(opened):
    client = opened(dataclasses.replace(PATIENT, buffer_max_bytes=2_000, max_block_s=3600))
    batch = client.send_many([("orders", "o", {"n": n}) for n in range(30)])
    client.flush()

    assert batch.wait().ok


def test_a_stream_is_read_only_as_fast_as_it_can_be_sent(opened, gated):
    options = dataclasses.replace(PATIENT, linger_ms=0, buffer_max_bytes=10_000, max_block_s=3600)
    client = opened(options, gated)
    read = []

    def stream():
        for number in range(500):
            read.append(number)
            yield ("orders", "o", {"n": number})

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(client.send_many, stream())
        gated.asked.wait()
        assert len(read) < 100
        gated.gate.set()
        assert sending.result().wait().confirmed == 500


@pytest.mark.parametrize("count", [1, 70])
def test_a_stream_ends_when_the_client_is_closed(client, count):
    client.close()

    with pytest.raises(ClientClosed):
        client.send_many([("orders", "o", {})] * count)
