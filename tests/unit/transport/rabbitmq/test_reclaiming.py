"""Rounds of sending back what RabbitMQ has set aside."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from syncpipe.errors import DeliveryTimeout
from syncpipe.transport.rabbitmq.reclaiming import reclaim

#: Where the messages come from: more than is read at once, and one behind them.
ORIGINS = ["mute"] * 250 + ["well"]


class Line:
    """A line whose limit queue holds a message from each of some queues."""

    def __init__(self, origins):
        self._waiting = [
            SimpleNamespace(
                delivery_tag=tag, delivery_info={"routing_key": name}, properties={}, body=b""
            )
            for tag, name in enumerate(origins)
        ]
        self.acknowledged = []
        self.closed = False

    def channel(self, _number=None):
        return self

    def extend(self, _seconds):
        pass

    def queue_declare(self, _queue, *, passive):
        assert passive
        return SimpleNamespace(message_count=len(self._waiting))

    def basic_get(self, _queue):
        return self._waiting.pop(0) if self._waiting else None

    def basic_ack(self, tag):
        self.acknowledged.append(tag)

    def close(self):
        self.closed = True


@pytest.fixture
def line():
    return Line(ORIGINS)


def test_a_queue_that_confirms_nothing_is_waited_for_once_and_holds_up_no_other(line):
    rounds = []

    def send(postings):
        rounds.append({posting.routing_key for posting in postings})
        return [
            None if each.routing_key == "well" else DeliveryTimeout("mute") for each in postings
        ]

    assert reclaim(line, send) == (1, 250)
    assert line.acknowledged == [250]
    assert (rounds[0], rounds[-1]) == ({"mute"}, {"well"})
    assert not any(rounds[1:-1])
    assert line.closed


def test_a_full_rabbitmq_ends_the_round_and_keeps_everything(line):
    assert reclaim(line, lambda _postings: None) == (0, 251)
    assert line.acknowledged == []
    assert line.closed
