"""Lanes of an earlier configuration are found without the management plugin."""

from __future__ import annotations

import pytest

from syncpipe.core.routing import queues_of
from syncpipe.errors import BrokerUnavailable
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound
from syncpipe.transport.rabbitmq import probing

DECLARED = [*queues_of("crm", 2), *queues_of("erp", 1)]


@pytest.fixture
def broker(rabbitmq_url):
    """A broker whose management API is not there, with lanes of five shards for ``crm``."""
    with open_broker(
        rabbitmq_url, clock=SystemClock(), management_url="http://127.0.0.1:1"
    ) as opened:
        opened.declare([*DECLARED, *queues_of("crm", 5)])
        yield opened


def _fill(broker, *queues):
    messages = [Outbound(queue, b"body", "id", "syncpipe.apply") for queue in queues]
    assert broker.publish(messages, timeout_s=60) == [None] * len(queues)


def test_what_more_shards_have_left_is_found(broker):
    _fill(broker, "sp.crm.4.low", "sp.crm.2.high", "sp.crm.1.high", "sp.erp.0.low")

    assert broker.undeclared(DECLARED) == ["sp.crm.2.high", "sp.crm.4.low"]
    broker.purge("sp.crm.2.high")
    assert broker.undeclared(DECLARED) == ["sp.crm.4.low"]
    assert broker.undeclared([*DECLARED, *queues_of("crm", 5)]) == []
    assert broker.undeclared([]) == []


def test_the_search_ends_where_a_shard_has_no_queue(broker):
    broker.declare(["sp.erp.1.low", "sp.erp.3.low"])
    _fill(broker, "sp.erp.1.low", "sp.erp.3.low")

    assert broker.undeclared(DECLARED) == ["sp.erp.1.low"]


def test_what_an_earlier_topology_has_left_is_found(broker, monkeypatch):
    monkeypatch.setattr(probing, "EARLIER_SUFFIXES", (".v0",))
    broker.declare(["sp.crm.0.high.v0", "sp.crm.1.high.v0"])
    _fill(broker, "sp.crm.1.high.v0")

    assert broker.undeclared(DECLARED) == ["sp.crm.1.high.v0"]


def test_a_rabbitmq_that_cannot_be_asked_at_all_is_an_error():
    with (
        open_broker("amqp://127.0.0.1:1/", clock=SystemClock()) as broker,
        pytest.raises(BrokerUnavailable),
    ):
        broker.undeclared(DECLARED)
