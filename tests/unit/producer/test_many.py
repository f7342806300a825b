"""The receipt of many operations."""

from __future__ import annotations

import asyncio
import threading

import pytest

from syncpipe.errors import BrokerFull, DeliveryTimeout, InvalidKey
from syncpipe.producer.condition import Condition
from syncpipe.producer.many import MAX_FAULTS, BatchReceipt, Fault
from syncpipe.producer.receipt import Lobby, Receipt

LATE, BAD = BrokerFull("Full."), InvalidKey("No.")


def _accepted(batch, index):
    batch.accept()
    return Receipt(bytes(16), 1, (), Lobby(Condition()), (batch.listener(index),))


def _settle(receipt, error=None):
    receipt.settle(error)
    while listener := receipt.take_listener():
        listener(receipt, error)


def test_it_counts_what_became_of_each_item():
    batch = BatchReceipt()
    one, two = _accepted(batch, 0), _accepted(batch, 2)
    batch.reject(1, BAD)
    _settle(one)
    assert not batch.settled
    _settle(two, LATE)

    assert batch.wait(0) is batch
    assert (batch.accepted, batch.rejected, batch.confirmed, batch.failed) == (2, 1, 1, 1)
    assert batch.faults == (Fault(1, BAD), Fault(2, LATE))
    assert not batch.ok


def test_it_is_ok_when_everything_is_confirmed():
    batch = BatchReceipt()
    receipt = _accepted(batch, 0)
    assert not batch.ok
    _settle(receipt)

    assert batch.ok


def test_waiting_for_too_long_says_how_many_are_open():
    batch = BatchReceipt()
    _accepted(batch, 0)

    with pytest.raises(DeliveryTimeout, match="1 operations"):
        batch.wait(0)


def test_every_fault_is_told_but_only_the_first_are_kept():
    told = []
    batch = BatchReceipt(told.append)
    for index in range(MAX_FAULTS + 5):
        batch.reject(index, BAD)

    assert len(told) == batch.rejected == MAX_FAULTS + 5
    assert batch.faults == tuple(told[:MAX_FAULTS])


def test_a_fault_callback_that_raises_does_not_lose_the_count():
    def refuse(_):
        raise RuntimeError

    batch = BatchReceipt(refuse)
    receipt = _accepted(batch, 0)
    with pytest.raises(RuntimeError):
        _settle(receipt, LATE)

    assert batch.wait(0).failed == 1


def test_it_can_be_awaited():
    async def scenario(batch, receipt):
        waiting = asyncio.create_task(_awaited(batch))
        await asyncio.sleep(0)
        assert not waiting.done()
        threading.Thread(target=_settle, args=(receipt,)).start()
        return await waiting

    batch = BatchReceipt()
    assert asyncio.run(scenario(batch, _accepted(batch, 0))) is batch


async def _awaited(batch):
    return await batch
