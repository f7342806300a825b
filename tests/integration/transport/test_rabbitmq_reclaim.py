"""What RabbitMQ has set aside goes back to the queues that take it, whatever the others do."""

from __future__ import annotations

from collections import Counter

import pytest
from kombu import Connection

from syncpipe.errors import BrokerUnavailable
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.rabbitmq import topology
from tests.patience import eventually

HERE, FULL, GONE = "sp.crm.0.normal", "sp.crm.0.high", "sp.crm.0.low"
LIMIT = topology.LIMIT_QUEUE


@pytest.fixture
def broker(rabbitmq_url):
    with open_broker(rabbitmq_url, clock=SystemClock()) as opened:
        opened.declare([HERE])
        yield opened


@pytest.fixture
def channel(rabbitmq_url):
    with Connection(rabbitmq_url) as connection:
        yield connection.default_channel


def _set_aside(channel, queue, bodies, headers=None, **properties):
    """Put messages where RabbitMQ puts what was delivered too often."""
    for body in bodies:
        message = channel.prepare_message(body, headers=headers, properties=properties)
        channel.basic_publish(message, exchange=LIMIT, routing_key=topology.physical(queue))


def _waiting(channel, queue):
    return channel.queue_declare(queue, passive=True).message_count


def _declare_full(channel, broker):
    """Make a queue that takes nothing more, and leave what it refused first set aside."""
    arguments = dict(topology.queue_arguments()) | {"x-max-length": 1}
    channel.queue_declare(f"{FULL}.v1", durable=True, auto_delete=False, arguments=arguments)

    def refuses():
        _set_aside(channel, FULL, [b"filler"])
        eventually(lambda: _waiting(channel, LIMIT))
        return broker.reclaim().returned == 0

    eventually(refuses)  # RabbitMQ closes a full queue a little late


def test_a_full_and_a_missing_queue_hold_up_no_other_however_much_is_theirs(broker, channel):
    _declare_full(channel, broker)
    bodies = {queue: [b"%s %d" % (queue.encode(), n) for n in range(130)] for queue in (FULL, GONE)}
    for queue, theirs in bodies.items():
        _set_aside(channel, queue, theirs)
    _set_aside(channel, HERE, [b"last"])
    eventually(lambda: _waiting(channel, LIMIT) == 262)

    assert broker.reclaim() == (1, 261)
    assert broker.peek(HERE, limit=9) == [b"last"]
    assert broker.reclaim().returned == 0
    eventually(lambda: _waiting(channel, LIMIT) == 261)

    channel.queue_delete(f"{FULL}.v1")
    broker.declare([FULL, GONE])
    assert broker.reclaim().returned == 261
    for queue, theirs in bodies.items():
        seen = Counter(broker.peek(queue, limit=999))
        del seen[b"filler"]
        assert seen == Counter(theirs)


@pytest.fixture
def other_user(rabbitmq, rabbitmq_url):
    """The virtual host as another user of it sees it."""
    host = rabbitmq_url.rpartition("/")[2]
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    rabbitmq.call("PUT", "users/other", {"password": "other", "tags": ""})
    rabbitmq.call("PUT", f"permissions/{host}/other", everything)
    with Connection(rabbitmq_url.replace("guest:guest", "other:other")) as connection:
        yield connection.default_channel
    rabbitmq.call("DELETE", "users/other")


def test_what_a_message_says_of_its_first_sending_is_left_out(broker, channel, other_user):
    past = {"user_id": "other", "expiration": "600000"}
    _set_aside(other_user, HERE, [b"body"], message_id="m", reply_to="r", **past)
    eventually(lambda: _waiting(channel, LIMIT))

    assert broker.reclaim().returned == 1
    properties = channel.basic_get(f"{HERE}.v1").properties
    assert not properties.keys() & past.keys()
    assert (properties["message_id"], properties["reply_to"]) == ("m", "r")


def test_no_copies_go_elsewhere_a_second_time(broker, channel):
    broker.declare([GONE])
    _set_aside(channel, HERE, [b"body"], headers={"CC": [f"{GONE}.v1"], "kept": "yes"})
    eventually(lambda: _waiting(channel, LIMIT))

    assert broker.reclaim().returned == 1
    assert broker.ready([GONE]) == 0
    headers = channel.basic_get(f"{HERE}.v1").headers
    assert (headers["kept"], "CC" in headers) == ("yes", False)


def test_only_one_reads_what_was_set_aside(broker, rabbitmq_url):
    with Connection(rabbitmq_url) as other:
        other.default_channel.queue_declare(f"syncpipe.reading.{LIMIT}", exclusive=True)
        with pytest.raises(BrokerUnavailable, match="Somebody else reads"):
            broker.reclaim()
    assert eventually(lambda: broker.reclaim() == (0, 0))


def test_what_came_straight_to_the_limit_queue_stays_there(broker, channel):
    channel.basic_publish(channel.prepare_message(b"stray"), exchange="", routing_key=LIMIT)
    eventually(lambda: _waiting(channel, LIMIT))

    assert broker.reclaim().returned == 0
    assert eventually(lambda: _waiting(channel, LIMIT)) == 1
