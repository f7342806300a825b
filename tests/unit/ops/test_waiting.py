from __future__ import annotations

import pytest

from syncpipe.ops.waiting import depth_of, wait_until_empty
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from tests.unit.ops.brokers import put

QUEUES = ["sp.crm.0.normal", "sp.erp.0.normal"]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def broker(clock):
    return MemoryBroker(clock)


def wait(broker, clock, sleep=None, timeout_s=10):
    return wait_until_empty(
        broker, QUEUES, clock=clock, sleep=sleep or clock.advance, timeout_s=timeout_s
    )


def test_empty_queues_need_no_waiting(broker, clock):
    assert wait(broker, clock, sleep=pytest.fail)


def test_what_is_taken_and_not_acknowledged_is_waited_for(broker, clock):
    put(broker, QUEUES[0])
    taken = broker.take(QUEUES, limit=1)
    assert depth_of(broker, QUEUES) == 1

    def sleep(seconds):
        clock.advance(seconds)
        broker.acknowledge(taken)

    assert wait(broker, clock, sleep)


def test_a_queue_that_was_empty_once_may_fill_again(broker, clock):
    put(broker, QUEUES[0])

    def sleep(seconds):
        clock.advance(seconds)
        broker.purge(QUEUES[0])
        put(broker, QUEUES[1])

    assert wait(broker, clock, sleep)


def test_waiting_ends_when_the_time_is_over(broker, clock):
    put(broker, QUEUES[0])
    assert not wait(broker, clock, timeout_s=3)
    assert 3 <= clock.monotonic() < 4
