"""What the broker in memory offers beyond the port."""

from __future__ import annotations

import pytest

from syncpipe.errors import BrokerFull, BrokerUnavailable
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.transport.broker import Outbound, QueueDepth

QUEUE = "sp.crm.0.low"


@pytest.fixture
def broker():
    return MemoryBroker(FakeClock())


def _publish(broker, *names, queue=QUEUE):
    return broker.publish(
        [Outbound(queue, name.encode(), name, "syncpipe.apply") for name in names], timeout_s=1
    )


def _names(deliveries):
    return [delivery.message.message_id for delivery in deliveries]


def test_taken_messages_count_as_unacked_until_they_are_acknowledged(broker):
    _publish(broker, "a", "b")
    taken = broker.take([QUEUE], limit=1)
    assert _names(taken) == ["a"]
    assert broker.depths([QUEUE])[QUEUE] == QueueDepth(1, 1, 0.0)

    broker.acknowledge(taken)
    broker.acknowledge(taken)
    assert broker.depths([QUEUE])[QUEUE] == QueueDepth(1, 0, 0.0)


def test_messages_are_taken_queue_after_queue(broker):
    _publish(broker, "low")
    _publish(broker, "high", queue="sp.crm.0.high")

    assert _names(broker.take(["sp.crm.0.high", QUEUE], limit=9)) == ["high", "low"]


def test_restored_messages_come_first_again_and_only_once(broker):
    _publish(broker, "a", "b", "c")
    taken = broker.take([QUEUE], limit=2)
    broker.restore(taken)
    broker.restore(taken)

    assert _names(broker.take([QUEUE], limit=9)) == ["a", "b", "c"]


def test_a_planned_failure_hits_as_many_messages_as_it_says(broker):
    broker.fail(BrokerFull("Full."), times=2)
    broker.fail()

    verdicts = _publish(broker, "a", "b", "c", "d")

    assert [type(error) for error in verdicts[:3]] == [BrokerFull, BrokerFull, BrokerUnavailable]
    assert verdicts[3] is None
    assert broker.peek(QUEUE, limit=9) == [b"d"]


def test_a_lost_confirmation_leaves_the_message_stored(broker):
    broker.fail(stored=True)

    assert isinstance(_publish(broker, "a")[0], BrokerUnavailable)
    assert broker.peek(QUEUE, limit=9) == [b"a"]
