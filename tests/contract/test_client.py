"""What both clients promise: the one for threads and the one for event loops."""

from __future__ import annotations

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from operator import itemgetter

import pytest

from syncpipe.core.codec import MAX_OPERATION_BYTES
from syncpipe.core.envelope import MAX_ENVELOPE_BYTES
from syncpipe.errors import (
    ClientClosed,
    InvalidOperation,
    InvalidValue,
    UnknownCollection,
)
from syncpipe.producer.client import Client
from syncpipe.producer.draft import Draft
from tests.contract.conftest import PATIENT
from tests.patience import eventually
from tests.unit.producer.parts import sent, sent_operations


def test_each_verb_sends_its_kind_of_operation(client, broker):
    client.upsert("orders", "o", {"a": Decimal("1.50")})
    client.patch("orders", "o", {"a": None})
    client.increment("orders", "o", {"n": 2})
    client.delete("orders", "o")

    assert client.flush() == 0
    (operations,) = sent(broker)
    assert [(o.kind.word, o.data) for o in operations] == [
        ("upsert", {"a": Decimal("1.50")}),
        ("patch", {"a": None}),
        ("increment", {"n": 2}),
        ("delete", None),
    ]
    assert len({operation.id for operation in operations}) == 4


def test_nothing_is_sent_before_it_has_lingered(client, broker):
    receipt = client.upsert("orders", "o", {})

    assert sent(broker) == []
    assert not receipt.confirmed
    client.flush()
    assert receipt.wait(0).confirmed


def test_what_has_lingered_is_sent_by_itself(opened):
    assert (
        opened(dataclasses.replace(PATIENT, linger_ms=1)).upsert("orders", "o", {}).wait().confirmed
    )


def test_a_full_batch_is_sent_by_itself(opened, broker):
    client = opened(dataclasses.replace(PATIENT, batch_max_ops=3))
    receipts = [client.upsert("orders", "o", {"n": n}) for n in range(3)]
    receipts[2].wait()
    fourth = client.upsert("orders", "o", {"n": 3})

    assert [len(operations) for operations in sent(broker)] == [3]
    assert not fourth.confirmed


def test_a_batch_with_enough_bytes_is_sent_by_itself(opened):
    client = opened(dataclasses.replace(PATIENT, batch_max_bytes=1000))

    assert client.upsert("orders", "o", {"text": "x" * 1000}).wait().confirmed


def test_one_operation_has_one_copy_for_each_target_and_one_receipt(client, broker):
    receipt = client.upsert("people", "p", {"a": 1})
    client.flush()

    assert [queue.split(".")[1] for queue in receipt.queues] == ["crm", "search"]
    copies = [sent_operations(broker, queue) for queue in receipt.queues]
    assert copies[0] == copies[1]
    assert [(o.uuid, o.version) for o in copies[0]] == [(receipt.id, receipt.version)]


def test_the_order_within_a_queue_is_kept_even_when_sending_fails_in_between(opened, broker):
    client = opened(dataclasses.replace(PATIENT, linger_ms=0, batch_max_ops=5))
    broker.fail(times=3)
    for number in range(40):
        client.upsert("orders", "o", {"n": number})
    client.flush()

    assert [operation.data["n"] for operation in sent_operations(broker)] == list(range(40))


def test_flush_does_not_wait_for_what_comes_after_it(opened, gated):
    client = opened(PATIENT, gated)
    first = client.upsert("orders", "o", {})
    with ThreadPoolExecutor(1) as pool:
        flushing = pool.submit(client.flush)
        gated.asked.wait()
        client.upsert("orders", "o", {})
        gated.gate.set()
        assert flushing.result() == 0

    assert first.confirmed


def test_close_sends_what_is_left_and_refuses_what_comes_after(client, broker):
    receipt = client.upsert("orders", "o", {})

    assert client.close() == 0
    assert client.close() == 0
    assert receipt.confirmed
    assert len(sent_operations(broker)) == 1
    with pytest.raises(ClientClosed) as closed:
        client.upsert("orders", "o", {})
    assert closed.value.operation_id in str(closed.value)
    assert client.flush() == 0


def test_what_is_refused_at_once_is_not_sent(client, broker):
    for call in (
        lambda: client.upsert("nowhere", "o", {}),
        lambda: client.upsert("orders", 7, {}),
        lambda: client.patch("orders", "o", {"a": (1,)}),
        lambda: client.increment("orders", "o", {"a": 1.5}),
        lambda: client.delete("orders", "o", priority="urgent"),
    ):
        with pytest.raises((UnknownCollection, InvalidOperation)):
            call()

    assert client.flush() == 0
    assert sent(broker) == []


def test_an_option_that_does_not_exist_is_refused(client):
    with pytest.raises(TypeError, match="colour"):
        client.upsert("orders", "o", {}, colour="red")


def test_large_operations_travel_in_envelopes_within_the_limit(client, broker):
    for number in range(12):
        text = "".join(chr(200 + (number * k) % 5000) for k in range(200_000))
        client.upsert("orders", "o", {"n": number, "text": text})
    client.upsert("orders", "o", {"text": "x" * (MAX_OPERATION_BYTES - 100)})

    assert client.flush() == 0
    (queue,) = broker.queues()
    assert all(len(body) <= MAX_ENVELOPE_BYTES for body in broker.peek(queue, limit=99))
    assert len(sent_operations(broker)) == 13


def test_many_threads_may_send_at_once(opened, broker):
    client = opened(dataclasses.replace(PATIENT, linger_ms=0, batch_max_ops=7))

    def send(worker):
        return [client.upsert("orders", f"{worker}", {"n": n}) for n in range(100)]

    with ThreadPoolExecutor(8) as pool:
        receipts = [receipt for mine in pool.map(send, range(8)) for receipt in mine]
    assert client.flush() == 0

    operations = sent_operations(broker)
    assert Counter(o.uuid for o in operations) == Counter(receipt.id for receipt in receipts)
    for worker in range(8):
        mine = [o for o in operations if o.key == str(worker)]
        assert [o.data["n"] for o in mine] == list(range(100))
        assert [o.version for o in mine] == sorted({o.version for o in mine})


def test_many_items_are_sent_and_bad_ones_reported_by_index(client, broker):
    told = []
    batch = client.send_many(
        [
            Draft("orders", "a", {"n": 1}),
            ("orders", "b", {"n": (1,)}),
            {"collection": "orders", "key": "c", "kind": "delete"},
            "garbage",
            {"collection": "orders", "key": "d", "data": {}, "colour": "red"},
            ("nowhere", "e", {}),
            ("orders", "f", {"n": 2}, "increment"),
        ],
        on_fault=told.append,
    )
    client.flush()
    batch.wait()

    assert (batch.accepted, batch.rejected, batch.confirmed, batch.failed) == (3, 4, 3, 0)
    assert [fault.index for fault in batch.faults] == [1, 3, 4, 5]
    assert isinstance(batch.faults[0].error, InvalidValue)
    assert told == list(batch.faults)
    assert sorted(operation.key for operation in sent_operations(broker)) == ["a", "c", "f"]


@pytest.mark.parametrize("made", [list, tuple, iter])
def test_many_are_sent_once_and_in_order_whatever_they_are_given_as(client, broker, made):
    plain = [("people", f"{n % 7}", {"n": n}) for n in range(4200)]
    batch = client.send_many(made([*plain, ("people", "bad", {"n": (1,)})]))
    assert client.flush() == 0

    assert (batch.wait().confirmed, batch.rejected) == (4200, 1)
    assert [fault.index for fault in batch.faults] == [4200]
    copies = [o for queue in broker.queues() for o in sent_operations(broker, queue)]
    assert Counter(o.contents["n"] for o in copies) == dict.fromkeys(range(4200), 2)
    assert len({o.id for o in copies}) == len({o.version for o in copies}) == 4200
    for key in range(7):
        for target in ("crm", "search"):
            mine = [
                (o.contents["n"], o.version)
                for queue in broker.queues()
                if f".{target}." in queue
                for o in sent_operations(broker, queue)
                if o.key == str(key)
            ]
            assert mine == sorted(mine, key=itemgetter(0)) == sorted(mine, key=itemgetter(1))


def test_an_item_is_confirmed_when_every_copy_is(client, broker):
    batch = client.send_many([("people", f"{n}", {"n": n}) for n in range(5)])
    assert client.flush() == 0

    assert batch.wait().confirmed == 5
    copies = [sent_operations(broker, queue) for queue in broker.queues()]
    assert Counter(o.uuid for queue in copies for o in queue).most_common()[-1][1] == 2


def test_items_and_calls_on_a_record_keep_their_order(opened, broker):
    client = opened(dataclasses.replace(PATIENT, linger_ms=0, batch_max_ops=7))

    def stream():
        for number in range(0, 60, 2):
            yield ("orders", "o", {"n": number})
            client.upsert("orders", "o", {"n": number + 1})

    if isinstance(client, Client):
        client.send_many(stream())
    else:
        client.send_many(("orders", "o", {"n": number}) for number in range(60))
    assert client.flush() == 0

    operations = sent_operations(broker)
    assert [operation.data["n"] for operation in operations] == list(range(60))
    assert [o.version for o in operations] == sorted({o.version for o in operations})


def test_what_was_read_of_a_stream_that_ends_with_an_error_is_sent(client, broker):
    def stream():
        yield ("orders", "a", {})
        yield ("orders", "b", {})
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="gone"):
        client.send_many(stream())

    assert client.flush() == 0
    assert sorted(operation.key for operation in sent_operations(broker)) == ["a", "b"]


@pytest.mark.parametrize(
    "hurry", [{"linger_ms": 1}, {"batch_max_ops": 1}], ids=["lingering", "full"]
)
def test_what_was_read_does_not_wait_for_the_next_item(opened, broker, hurry):
    client = opened(dataclasses.replace(PATIENT, **hurry))
    seen = []

    def stream():
        for number in range(3):
            yield ("orders", "o", {"n": number})
            seen.append(eventually(lambda n=number: len(sent_operations(broker)) == n + 1))

    client.send_many(stream())
    assert seen == [True] * 3
