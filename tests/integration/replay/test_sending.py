"""How a replay's operations travel, and a broker that does not take them."""

from __future__ import annotations

import uuid

import pytest
from msgspec import structs

from syncpipe.core.codec import decode_all, encode
from syncpipe.core.envelope import unseal
from syncpipe.core.routing import Priority, parse_queue, shard_of
from syncpipe.errors import BrokerFull, QueueMissing
from syncpipe.store.replays import ReplayState
from tests.integration.replay.world import SHARDS

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def envelopes(world):
    """What lies in the lanes, with its queue."""
    broker = world.broker
    return [
        (queue, unseal(body)) for queue in broker.queues() for body in broker.peek(queue, limit=99)
    ]


class Lacking:
    """A broker without some queues."""

    def __init__(self, broker, lacks):
        self._broker = broker
        self.lacks = lacks

    def __getattr__(self, name):
        return getattr(self._broker, name)

    def publish(self, messages, *, timeout_s):
        missing = QueueMissing("There is none.")
        return [
            missing
            if self.lacks(each.queue)
            else self._broker.publish([each], timeout_s=timeout_s)[0]
            for each in messages
        ]


def test_operations_travel_as_they_were_in_few_envelopes_in_their_order(world):
    operations = [world.operation(f"k{n % 50}", data={"n": n}) for n in range(400)]
    world.bury(*reversed(operations[:200]), trace=TRACE)
    world.bury(*operations[200:], queue="sp.crm.9.high", trace=None)
    made = world.create()
    assert world.step().sent == 400
    found = envelopes(world)
    assert len(found) == 2 * SHARDS
    raws = {encode(each) for each in operations}
    for queue, envelope in found:
        lane, priority = parse_queue(queue)
        assert envelope.header.replay == uuid.UUID(made.id).bytes
        assert envelope.header.trace == (TRACE if priority is Priority.NORMAL else None)
        assert envelope.header.attempts == ()
        inside = list(decode_all(envelope.body))
        assert {raw for _, raw in inside} <= raws
        assert {shard_of(each.collection, each.key, SHARDS) for each, _ in inside} == {lane.shard}
        versions = [each.version for each, _ in inside]
        assert versions == sorted(versions)


def unversioned(operation):
    return structs.replace(operation, version=0)


def test_as_of_now_only_the_version_is_another(world):
    old = [world.operation(f"k{n}", data={"n": n}) for n in range(5)]
    world.bury(*old)
    newest = world.operation("last").version
    world.create(as_of_now=True)
    world.step()
    sent = [each for _, envelope in envelopes(world) for each, _ in decode_all(envelope.body)]
    sent.sort(key=lambda each: each.version)
    assert [unversioned(each) for each in sent] == [unversioned(each) for each in old]
    assert all(each.version > newest for each in sent)


def test_a_missing_queue_holds_up_its_own_operations(world):
    world.bury(*(world.operation(f"k{n}") for n in range(100)))
    made = world.create()
    broker = Lacking(world.broker, lambda queue: parse_queue(queue)[0].shard == 0)
    replayer = world.another(broker=broker)
    stepped = world.step(replayer)
    assert isinstance(stepped.error, QueueMissing)
    assert 0 < stepped.sent < 100
    for _ in range(3):
        assert world.step(replayer).sent == 0
    waiting = world.find(made)
    assert waiting.stopped.startswith("cannot send: SP-E")
    assert (waiting.state, waiting.sent) == (ReplayState.RUNNING, stepped.sent)
    broker.lacks = lambda _: False
    assert world.step(replayer).sent == 100 - stepped.sent
    assert world.run(made).outcomes == {"applied": 100}
    assert world.find(made).stopped == ""


def test_an_unreadable_message_whose_queue_is_gone_is_open_again(world):
    id_ = world.bury_raw(b"garbage", "sp.crm.7.normal")
    made = world.create()
    world.step(world.another(broker=Lacking(world.broker, lambda _: True)))
    world.step()
    assert world.find(made).state is ReplayState.FINISHED
    assert world.states() == {id_: "open"}


@pytest.mark.parametrize("stored", [True, False])
def test_what_the_broker_does_not_confirm_is_sent_again(world, stored):
    world.bury(*(world.operation(f"k{n}") for n in range(10)))
    made = world.create()
    world.broker.fail(BrokerFull("full"), times=2, stored=stored)
    assert world.step().sent < 10
    assert world.run(made).ended == 10
    assert [world.document(f"k{n}") for n in range(10)] == [{"n": 1}] * 10
