"""From the schedule back to the lanes."""

from __future__ import annotations

from collections import Counter

import pytest

from syncpipe.core.codec import decode_all, encode
from syncpipe.core.envelope import unseal
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import Priority, parse_queue, shard_of
from syncpipe.errors import BrokerUnavailable, QueueMissing, StoreUnavailable
from syncpipe.ops.promoting import Promoting, strangers
from syncpipe.store.schedule import Entry, Scheduled
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom
from syncpipe.testing.schedule import MemorySchedule
from tests.contract.schedules import attempts

LEASE_S = 20
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Missing(MemoryBroker):
    """Lacks some queues, and counts the calls."""

    lacking = ()
    calls = 0

    def publish(self, messages, *, timeout_s):
        self.calls += 1
        verdicts = []
        for message in messages:
            if message.queue in self.lacking:
                verdicts.append(QueueMissing("There is none."))
            else:
                verdicts += super().publish([message], timeout_s=timeout_s)
        return verdicts


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def schedule(clock):
    return MemorySchedule(clock)


@pytest.fixture
def broker(clock):
    return Missing(clock)


@pytest.fixture
def promoting(schedule, broker, clock):
    return promoter(schedule, broker, clock)


def promoter(schedule, broker, clock, *, targets=("crm", "erp"), shards=4):
    return Promoting(
        schedule, broker, targets=targets, shards=shards, clock=clock, random=SeededRandom()
    )


def operation(number, size=1):
    id_ = uuid7(START_MS, number)
    return Operation(id_, Kind.UPSERT, "orders", f"k{number}", number + 1, {"a": "x" * size})


def entry(number=0, tries=0, *, size=1, **members):
    each = operation(number, size)
    known = {
        "operation_id": each.id,
        "target": "crm",
        "collection": each.collection,
        "key": each.key,
        "priority": Priority.NORMAL,
        "raw": encode(each),
        "attempts": attempts(tries),
    }
    return Entry(Scheduled(**known | members), 0)


def sent(broker):
    """The envelopes in the broker, with their queue."""
    return [
        (queue, unseal(body))
        for queue in broker.queues()
        for body in broker.peek(queue, limit=9999)
    ]


def keys(broker):
    return Counter(
        each.key for _, envelope in sent(broker) for each, _ in decode_all(envelope.body)
    )


def test_nothing_due_is_nothing_sent(promoting, schedule, broker):
    schedule.put([entry(1)._replace(wait_ms=1)])
    assert promoting.promote() == 0
    assert broker.calls == 0


def test_what_was_delayed_travels_with_its_like(promoting, schedule, broker):
    schedule.put([entry(n) for n in range(200)])
    schedule.put([entry(n, priority=Priority.HIGH) for n in range(200, 210)])
    assert promoting.promote() == 210
    assert schedule.outlook() == {}
    queues = [queue for queue, _ in sent(broker)]
    assert len(queues) == len(set(queues)) == 8
    for queue, envelope in sent(broker):
        lane, priority = parse_queue(queue)
        assert (envelope.header.lane, envelope.header.priority) == (lane, priority)
        assert envelope.header.attempts == ()
        for each, raw in decode_all(envelope.body):
            assert lane.shard == shard_of(each.collection, each.key, 4)
            assert raw == encode(each)
            assert priority is (Priority.NORMAL if int(each.key[1:]) < 200 else Priority.HIGH)


def test_what_was_tried_travels_alone_with_its_attempts(promoting, schedule, broker):
    schedule.put([entry(n, tries=n, trace=TRACE) for n in range(1, 20)])
    assert promoting.promote() == 19
    found = [envelope for _, envelope in sent(broker)]
    assert sorted(len(envelope.header.attempts) for envelope in found) == list(range(1, 20))
    assert {(envelope.header.count, envelope.header.trace) for envelope in found} == {(1, TRACE)}
    assert {envelope.header.attempts for envelope in found} >= {attempts(3), attempts(19)}


def test_what_a_replay_has_sent_is_still_its_own(promoting, schedule, broker):
    replays = (b"1" * 16, b"2" * 16, None)
    schedule.put([entry(n, key="same", replay=each) for n, each in enumerate(replays)])
    schedule.put([entry(9, tries=2, replay=replays[0])])
    assert promoting.promote() == 4
    found = {(each.header.replay, len(each.header.attempts)) for _, each in sent(broker)}
    assert found == {(replays[0], 0), (replays[1], 0), (None, 0), (replays[0], 2)}


def test_only_those_of_one_trace_travel_together(promoting, schedule, broker):
    schedule.put([entry(1, key="same"), entry(2, key="same", trace=TRACE)])
    promoting.promote()
    assert sorted(str(envelope.header.trace) for _, envelope in sent(broker)) == [TRACE, "None"]


def test_envelopes_are_no_larger_than_a_clients(promoting, schedule, broker):
    schedule.put([entry(n, key="same") for n in range(1200)])
    schedule.put([entry(n, size=300_000, key="big") for n in range(2000, 2010)])
    assert promoting.promote() == 1210
    counts = Counter(envelope.header.count for _, envelope in sent(broker))
    assert counts[500] >= 2
    assert counts[3] >= 2
    assert max(counts) == 500
    assert all(len(envelope.body) < 1_000_000 for _, envelope in sent(broker))


def test_more_than_is_lent_at_once_is_sent_too(promoting, schedule):
    schedule.put([entry(n) for n in range(3500)])
    assert promoting.promote() == 3500
    assert schedule.outlook() == {}


def test_lanes_are_those_of_today_whatever_they_were_when_it_was_scheduled(schedule, broker, clock):
    schedule.put([entry(n) for n in range(50)])
    promoter(schedule, broker, clock, shards=16).promote()
    shards = {parse_queue(queue)[0].shard for queue, _ in sent(broker)}
    assert shards == {shard_of("orders", f"k{n}", 16) for n in range(50)}


def test_what_is_for_no_target_of_ours_stays_and_is_told(promoting, schedule, broker):
    schedule.put([entry(1), entry(2, target="gone"), entry(3, target="gone")])
    assert promoting.promote() == 1
    assert schedule.outlook()["gone"].count == 2
    assert strangers(schedule, ["crm", "erp"]) == {"gone": 2}
    assert list(keys(broker)) == ["k1"]


def test_a_broker_that_is_away_is_told_and_nothing_is_removed(promoting, schedule, broker, clock):
    schedule.put([entry(n) for n in range(10)])
    broker.fail(times=100)
    with pytest.raises(BrokerUnavailable):
        promoting.promote()
    assert schedule.outlook()["crm"].count == 10
    broker.fail(times=0)
    broker._failures.clear()
    assert promoting.promote() == 0  # still lent
    clock.advance(LEASE_S)
    assert promoting.promote() == 10


def test_what_is_stored_but_not_confirmed_is_sent_again(promoting, schedule, broker, clock):
    schedule.put([entry(1, tries=1), entry(2, tries=1)])
    broker.fail(times=1, stored=True)
    with pytest.raises(BrokerUnavailable):
        promoting.promote()
    clock.advance(LEASE_S)
    assert promoting.promote() == 1
    assert sorted(keys(broker).values()) == [1, 2]


def test_one_missing_queue_holds_up_no_other(promoting, schedule, broker, clock):
    stuck = f"sp.crm.{shard_of('orders', 'k0', 4)}.normal"
    broker.lacking = {stuck}
    schedule.put([entry(0)])
    schedule.put([entry(n, tries=1) for n in range(1, 2500)])
    with pytest.raises(QueueMissing):
        promoting.promote()
    left = schedule.outlook()["crm"].count
    shard = parse_queue(stuck)[0].shard
    assert left == sum(shard_of("orders", f"k{n}", 4) == shard for n in range(2500))
    broker.lacking = ()
    clock.advance(LEASE_S)
    assert promoting.promote() == left


def test_a_store_that_goes_after_publishing_leads_to_a_repeat(promoting, schedule, broker, clock):
    schedule.put([entry(1)])
    whole = schedule.remove

    def away(*_):
        raise StoreUnavailable("away")

    schedule.remove = away
    with pytest.raises(StoreUnavailable):
        promoting.promote()
    schedule.remove = whole
    clock.advance(LEASE_S)
    assert promoting.promote() == 1
    assert keys(broker) == {"k1": 2}


def test_what_is_scheduled_anew_while_it_is_sent_on_stays(promoting, schedule, broker, clock):
    schedule.put([entry(1, tries=1)])
    whole = broker.publish

    def refused_at_once(messages, *, timeout_s):
        verdicts = whole(messages, timeout_s=timeout_s)
        schedule.put([entry(1, tries=2)._replace(wait_ms=5000)])
        return verdicts

    broker.publish = refused_at_once
    assert promoting.promote() == 0
    broker.publish = whole
    assert schedule.outlook()["crm"].count == 1
    clock.advance(5)
    assert promoting.promote() == 1
    assert sorted(len(e.header.attempts) for _, e in sent(broker)) == [1, 2]


def test_two_promoters_send_each_once(schedule, broker, clock):
    schedule.put([entry(n) for n in range(100)])
    promoters = [promoter(schedule, broker, clock) for _ in range(2)]
    assert sum(each.promote() for each in promoters) == 100
    assert set(keys(broker).values()) == {1}
