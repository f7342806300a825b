"""What operators see of a RabbitMQ: queues of every version, and counts that are old."""

from __future__ import annotations

import time

import kombu
import pytest

from syncpipe.core.routing import Priority
from syncpipe.errors import BrokerUnavailable
from syncpipe.ops.lanes import look
from syncpipe.ops.purging import holding, matching, purge
from syncpipe.ops.waiting import wait_until_empty
from syncpipe.system import SystemClock
from syncpipe.transport.broker import Outbound
from syncpipe.transport.rabbitmq.broker import RabbitBroker

QUEUE = "sp.crm.0.normal"


@pytest.fixture
def broker(rabbitmq, rabbitmq_url):
    management_url = rabbitmq.management_url
    with RabbitBroker(rabbitmq_url, clock=SystemClock(), management_url=management_url) as broker:
        broker.declare([QUEUE])
        yield broker


def emptied(broker, timeout_s):
    return wait_until_empty(
        broker, [QUEUE], clock=SystemClock(), sleep=time.sleep, timeout_s=timeout_s
    )


def test_what_was_taken_just_now_is_waited_for(broker, rabbitmq_url):
    assert broker.publish([Outbound(QUEUE, b"x", "1", "t")], timeout_s=60) == [None]
    with kombu.Connection(rabbitmq_url) as connection:
        channel = connection.channel()
        message = channel.basic_get(f"{QUEUE}.v1")
        assert not emptied(broker, 2)
        channel.basic_ack(message.delivery_tag)
        assert emptied(broker, 60)


def test_what_is_left_in_queues_of_another_version_and_of_more_shards_is_shown_and_purged(broker):
    queues = (QUEUE, "sp.crm.0.normal.v0", "sp.crm.8.low", "sp.dead.v0")
    broker.declare(queues)
    sent = [Outbound(queue, b"x", str(number), "t") for number, queue in enumerate(queues)]
    assert broker.publish(sent, timeout_s=60) == [None] * 4

    status = look(broker, ["crm"], 1)

    normal, low = Priority.NORMAL, Priority.LOW
    shown = [(each.lane.shard, each.topology, each.ready) for each in status.lanes]
    assert [(shard, version, ready[normal], ready[low]) for shard, version, ready in shown] == [
        (0, "", 1, 0),
        (0, "v0", 1, 0),
        (8, "", 0, 1),
    ]
    assert dict(status.others) == {"sp.dead.v0": 1}
    plan = [each.name for each in matching(holding(broker), ["sp.*.v1"])]
    assert plan == [QUEUE, "sp.crm.8.low"]
    assert [each.messages for each in purge(broker, plan)] == [1, 1]
    assert broker.ready(queues) == 2


@pytest.fixture
def channel(rabbitmq_url):
    with kombu.Connection(rabbitmq_url) as connection:
        yield connection.default_channel


@pytest.mark.parametrize("delete", ["queue_delete", "exchange_delete"])
def test_a_lost_place_for_what_was_delivered_too_often_is_noticed_and_made_again(
    broker, channel, delete
):
    assert broker.missing([QUEUE]) == []
    getattr(channel, delete)("sp.limit.v1")

    assert broker.missing([QUEUE, "sp.dead"]) == ["sp.dead", "sp.limit"]
    assert broker.declare([QUEUE]) == ["sp.limit"]
    assert broker.missing([QUEUE]) == []


def test_queues_of_other_properties_are_seen(broker, channel):
    assert broker.unfit([QUEUE, "sp.dead"]) == []
    channel.queue_declare("sp.dead.v1", durable=True, auto_delete=False)
    channel.queue_delete("sp.limit.v1")
    channel.queue_declare(
        "sp.limit.v1", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"}
    )

    assert broker.unfit([QUEUE, "sp.dead"]) == ["sp.dead", "sp.limit"]
    assert any("'sp.dead' and 1 more has" in each for each in look(broker, ["crm"], 1).problems)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (("guest:guest", "guest:wrong"), "refused the user or password"),
        (("/test-", "/missing-"), "refused the virtual host"),
        (("127.0.0.1:", "127.0.0.2:"), "cannot be reached"),
    ],
)
def test_why_rabbitmq_cannot_be_asked_is_not_blamed_on_the_plugin(rabbitmq_url, wrong, why):
    # The management API does not answer either, or would refuse for the same reason.
    with (
        RabbitBroker(rabbitmq_url.replace(*wrong), clock=SystemClock()) as broker,
        pytest.raises(BrokerUnavailable, match=why),
    ):
        broker.queues()
