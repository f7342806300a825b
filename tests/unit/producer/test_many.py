"""The receipt of many operations."""

from __future__ import annotations

import asyncio
import functools
import threading

import pytest

from syncpipe.core.codec import encode
from syncpipe.core.operation import Kind, Operation
from syncpipe.errors import BrokerFull, DeliveryTimeout, InvalidKey
from syncpipe.producer.many import MAX_FAULTS, BatchReceipt, Fault
from syncpipe.producer.reasons import about
from syncpipe.producer.ticket import Stretch
from tests.unit.producer.parts import accepted

BAD = InvalidKey("No.")


def _stretch(batch, *indexes):
    """Operations of these items, which are accepted."""
    batch.index, *others = indexes
    first = accepted(_operation(batch.index))
    stretch = Stretch(batch, first, epoch=0, now=0.0, tries_s=1.0)
    for batch.index in others:
        stretch.places.append(batch.index)
        stretch.sizes.append(len(_operation(batch.index)))
    batch.accepted += len(indexes)
    return stretch


def _operation(index):
    return encode(Operation(bytes([index] * 16), Kind.DELETE, "orders", "o", index + 1, None))


def _settle(stretch, error=None):
    if error:
        raw = b"".join(map(_operation, stretch.places))
        stretch.give_up(functools.partial(about, error, "Full."), raw)
    stretch.end()
    while listener := stretch.take_listener():
        listener(stretch, stretch.error)


def test_it_counts_what_became_of_each_item():
    batch = BatchReceipt()
    confirmed, failed = _stretch(batch, 0, 3), _stretch(batch, 2, 4)
    batch.index = 1
    batch.reject(BAD)
    _settle(confirmed)
    assert not batch.settled
    _settle(failed, BrokerFull)

    assert batch.wait(0) is batch
    assert (batch.accepted, batch.rejected, batch.confirmed, batch.failed) == (4, 1, 2, 2)
    assert [fault.index for fault in batch.faults] == [1, 2, 4]
    assert batch.faults[0] == Fault(1, BAD)
    assert [fault.error.version for fault in batch.faults[1:]] == [3, 5]
    assert [fault.error.operation_id[:2] for fault in batch.faults[1:]] == ["02", "04"]
    assert not batch.ok


def test_a_stretch_tells_nobody_before_it_is_settled_and_nothing_twice():
    batch = BatchReceipt()
    stretch = _stretch(batch, 0)
    assert stretch.take_listener() is None
    _settle(stretch)
    _settle(stretch)

    assert batch.confirmed == 1


def test_it_is_ok_when_everything_is_confirmed():
    batch = BatchReceipt()
    stretch = _stretch(batch, 0)
    assert not batch.ok
    _settle(stretch)

    assert batch.ok


def test_waiting_for_too_long_says_how_many_are_open():
    batch = BatchReceipt()
    _stretch(batch, 0)

    with pytest.raises(DeliveryTimeout, match="1 operations"):
        batch.wait(0)


def test_every_fault_is_told_but_only_the_first_are_kept():
    told = []
    batch = BatchReceipt(told.append)
    for batch.index in range(MAX_FAULTS + 5):
        batch.reject(BAD)

    assert len(told) == batch.rejected == MAX_FAULTS + 5
    assert batch.faults == tuple(told[:MAX_FAULTS])


def test_a_fault_callback_that_raises_does_not_lose_the_count():
    def refuse(_):
        raise RuntimeError

    batch = BatchReceipt(refuse)
    stretch = _stretch(batch, 0)
    with pytest.raises(RuntimeError):
        _settle(stretch, BrokerFull)

    assert batch.wait(0).failed == 1


def test_it_can_be_awaited():
    async def scenario(batch, stretch):
        waiting = asyncio.create_task(_awaited(batch))
        await asyncio.sleep(0)
        assert not waiting.done()
        threading.Thread(target=_settle, args=(stretch,)).start()
        return await waiting

    batch = BatchReceipt()
    assert asyncio.run(scenario(batch, _stretch(batch, 0))) is batch


async def _awaited(batch):
    return await batch
