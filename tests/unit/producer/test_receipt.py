"""What a caller can do with a receipt."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from syncpipe.errors import BrokerFull, DeliveryTimeout
from syncpipe.producer.condition import Condition
from syncpipe.producer.receipt import Lobby, Receipt

ID = bytes.fromhex("019b76daa8007c21a29f6fbed82c07cd")
ERROR = BrokerFull("Full.")


@pytest.fixture
def receipt():
    return Receipt(ID, 7, ("sp.crm.0.low",), Lobby(Condition()))


def _settle(receipt, error=None):
    with receipt._lobby.condition:
        receipt.settle(error)
        receipt._lobby.condition.notify_all()
    while listener := receipt.take_listener():
        listener(receipt, error)


def test_it_carries_id_version_and_queues(receipt):
    assert receipt.id == "019b76da-a800-7c21-a29f-6fbed82c07cd"
    assert (receipt.version, receipt.queues) == (7, ("sp.crm.0.low",))
    assert not receipt.confirmed
    assert receipt.error is None


def test_waiting_for_too_long_says_with_what_to_try_again(receipt):
    with pytest.raises(DeliveryTimeout) as timeout:
        receipt.wait(0)

    assert (timeout.value.operation_id, timeout.value.version) == (receipt.id, 7)
    assert receipt.id in str(timeout.value)


def test_waiting_ends_when_another_thread_settles_it(receipt):
    waiting = threading.Thread(target=receipt.wait)
    waiting.start()
    _settle(receipt)
    waiting.join(60)

    assert not waiting.is_alive()
    assert receipt.wait(0) is receipt
    assert receipt.confirmed


def test_a_receipt_that_was_given_up_raises_whenever_it_is_asked(receipt):
    _settle(receipt, ERROR)

    assert not receipt.confirmed
    assert receipt.error is ERROR
    for _ in range(2):
        with pytest.raises(BrokerFull):
            receipt.wait()


@pytest.mark.parametrize("early", [True, False])
def test_a_listener_is_told_once_whenever_it_comes(receipt, early):
    told = []
    if early:
        receipt.listen(lambda *news: told.append(news))
        _settle(receipt, ERROR)
    else:
        _settle(receipt, ERROR)
        receipt.listen(lambda *news: told.append(news))

    assert told == [(receipt, ERROR)]


def test_it_can_be_awaited_before_and_after_it_is_settled(receipt):
    async def scenario():
        waiting = asyncio.create_task(_awaited(receipt))
        await asyncio.sleep(0)
        assert not waiting.done()
        threading.Thread(target=_settle, args=(receipt,)).start()
        assert await waiting is receipt
        assert await receipt is receipt

    asyncio.run(scenario())


def test_awaiting_raises_why_it_was_given_up(receipt):
    _settle(receipt, ERROR)

    with pytest.raises(BrokerFull):
        asyncio.run(_awaited(receipt))


def test_awaiting_may_be_cancelled(receipt):
    async def scenario():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_awaited(receipt), 0)
        _settle(receipt)
        return await receipt

    assert asyncio.run(scenario()) is receipt


def test_it_shows_its_state(receipt):
    assert "version 7: waiting" in repr(receipt)
    _settle(receipt)
    assert "confirmed" in repr(receipt)


async def _awaited(receipt):
    return await receipt


def test_garbage_collection_looks_into_a_receipt_only_while_there_is_something(receipt):
    assert not gc.is_tracked(receipt)
    receipt.listen(lambda *_: None)
    assert gc.is_tracked(receipt)


def test_a_receipt_that_was_given_up_is_collected_with_the_frames_of_its_error():
    receipt = Receipt(ID, 7, (), Lobby(Condition()))
    _settle(receipt, BrokerFull("Full."))
    try:
        receipt.wait()
    except BrokerFull:
        trace = weakref.ref(receipt)
    del receipt

    gc.collect()
    assert trace() is None
