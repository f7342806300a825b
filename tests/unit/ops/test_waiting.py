from __future__ import annotations

from dataclasses import replace

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


class LateBroker(MemoryBroker):
    """A broker whose count of taken messages is the one of some seconds ago."""

    unacked_lag_s = 5.0

    def __init__(self, clock):
        super().__init__(clock)
        self._seen_at, self._seen = clock.monotonic(), {}

    def depths(self, queues):
        now = super().depths(queues)
        if self._clock.monotonic() - self._seen_at >= 4:
            self._seen_at, self._seen = self._clock.monotonic(), now
        return {
            queue: replace(depth, unacked=self._seen[queue].unacked if queue in self._seen else 0)
            for queue, depth in now.items()
        }


@pytest.mark.parametrize("held_s", [0, 1, 7, 20])
def test_a_count_that_is_old_is_not_believed_at_once(clock, held_s):
    broker = LateBroker(clock)
    put(broker, QUEUES[0])
    taken = broker.take(QUEUES, limit=1)

    def sleep(seconds):
        clock.advance(seconds)
        if clock.monotonic() >= start + held_s:
            broker.acknowledge(taken)

    start = clock.monotonic()
    assert wait(broker, clock, sleep, timeout_s=60)
    assert super(LateBroker, broker).depths(QUEUES)[QUEUES[0]].unacked == 0
    assert held_s <= clock.monotonic() - start <= held_s + 12


def test_a_queue_that_fills_again_begins_from_the_start(clock):
    broker = LateBroker(clock)

    def sleep(seconds):
        clock.advance(seconds)
        if int(clock.monotonic() - start) % 4 == 0:
            put(broker, QUEUES[0])
        else:
            broker.purge(QUEUES[0])

    start = clock.monotonic()
    assert not wait(broker, clock, sleep, timeout_s=30)


def test_waiting_ends_when_the_time_is_over(broker, clock):
    put(broker, QUEUES[0])
    assert not wait(broker, clock, timeout_s=3)
    assert 3 <= clock.monotonic() < 4
