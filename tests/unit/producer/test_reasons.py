"""What the errors of given up operations say."""

from __future__ import annotations

from syncpipe.errors import BrokerUnavailable, QueueMissing
from syncpipe.producer.condition import Condition
from syncpipe.producer.options import ClientOptions
from syncpipe.producer.reasons import not_in_time
from syncpipe.producer.receipt import Lobby, Receipt


def test_whoever_gives_up_says_until_when_it_tried():
    receipt = Receipt(bytes(16), 7, (), Lobby(Condition()))
    error = not_in_time(QueueMissing("No queue."), ClientOptions(), receipt)

    assert isinstance(error, QueueMissing)
    assert "no try begins after two thirds of delivery_timeout_s (30 s): No queue." in str(error)
    assert (error.operation_id, error.version) == (receipt.id, 7)


def test_a_broker_that_is_away_speaks_of_no_operation_where_there_is_none():
    assert "send" not in BrokerUnavailable("It is away.").hint
