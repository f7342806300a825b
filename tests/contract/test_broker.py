"""What every broker promises, the one in memory included."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncpipe.resilience.quota import Quota
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound, QueueDepth, WorkerInfo

NORMAL, LOW, HIGH = "sp.crm.0.normal", "sp.crm.0.low", "sp.crm.31.high"
DEAD = "sp.dead"
#: All that these tests send to.
QUEUES = (NORMAL, LOW, HIGH, DEAD)
EMPTY = QueueDepth(ready=0, unacked=0, oldest_age_s=None)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=["memory", "redis", "rabbitmq"])
def kind(request):
    return request.param


@pytest.fixture
def open_one(request, kind, clock):
    """Opens the broker, once more with every call."""
    if kind == "memory":
        shared = MemoryBroker(clock)
        return lambda: shared
    url = request.getfixturevalue(f"{kind}_url")
    if kind == "redis":
        return lambda: open_broker(url, clock=clock)
    management_url = request.getfixturevalue("rabbitmq").management_url
    return lambda: open_broker(url, clock=clock, management_url=management_url)


@pytest.fixture
def broker(open_one):
    with open_one() as opened:
        opened.declare(QUEUES)
        yield opened


def _message(number, queue=NORMAL):
    return Outbound(queue, b"body %d" % number, f"id-{number}", "syncpipe.apply")


def _publish(broker, numbers, queue=NORMAL):
    return broker.publish([_message(number, queue) for number in numbers], timeout_s=60)


def _worker(name, **changes):
    facts = {
        "pid": 7,
        "host": "here",
        "started_ms": 1,
        "seen_ms": 2,
        "counters": {"ops": 3, "breaker:crm": 2**188 - 1},
    }
    return WorkerInfo(name, **(facts | changes))


def test_every_message_gets_a_verdict(broker):
    assert _publish(broker, range(3)) == [None, None, None]
    assert _publish(broker, []) == []


def test_messages_wait_oldest_first(broker):
    _publish(broker, range(2))
    _publish(broker, range(2, 4))

    assert broker.peek(NORMAL, limit=9) == [b"body 0", b"body 1", b"body 2", b"body 3"]


def test_one_call_serves_many_queues(broker):
    messages = [_message(1, NORMAL), _message(2, LOW), _message(3, NORMAL)]

    assert broker.publish(messages, timeout_s=60) == [None, None, None]
    assert broker.peek(NORMAL, limit=9) == [b"body 1", b"body 3"]
    assert broker.peek(LOW, limit=9) == [b"body 2"]


def test_the_same_message_may_be_sent_again(broker):
    _publish(broker, [1])

    assert _publish(broker, [1]) == [None]
    assert broker.depths([NORMAL])[NORMAL].ready == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(body=st.binary(max_size=500))
def test_bodies_are_opaque_bytes(broker, body):
    broker.purge(NORMAL)

    broker.publish([Outbound(NORMAL, body, "id", "syncpipe.apply")], timeout_s=60)

    assert broker.peek(NORMAL, limit=1) == [body]


def test_peeking_takes_a_page_and_leaves_everything(broker):
    _publish(broker, range(5))

    assert broker.peek(NORMAL, limit=2, offset=1) == [b"body 1", b"body 2"]
    assert broker.peek(NORMAL, limit=9, offset=4) == [b"body 4"]
    assert broker.peek(NORMAL, limit=9, offset=5) == []
    assert broker.peek(NORMAL, limit=0) == []
    assert broker.peek("sp.nothing", limit=9) == []
    assert broker.depths([NORMAL])[NORMAL].ready == 5


def test_what_nobody_has_taken_is_counted_over_queues(broker):
    _publish(broker, range(2))
    _publish(broker, [1], LOW)

    assert broker.ready([NORMAL, LOW, DEAD]) == 3
    assert broker.ready([DEAD]) == 0
    assert broker.ready([]) == 0


def test_depths_count_and_tell_the_age_of_the_oldest(broker, kind, clock):
    _publish(broker, [1])
    clock.advance(30)
    _publish(broker, [2])
    clock.advance(12)

    depths = broker.depths([NORMAL, LOW])

    age_s = None if kind == "rabbitmq" else 42  # only who takes a message sees when it was sent
    assert depths == {NORMAL: QueueDepth(ready=2, unacked=0, oldest_age_s=age_s), LOW: EMPTY}
    assert broker.depths([]) == {}


def test_purging_deletes_one_queue_and_counts(broker):
    _publish(broker, range(3))
    _publish(broker, range(2), LOW)

    assert broker.purge(NORMAL) == 3
    assert broker.purge(NORMAL) == 0
    assert broker.depths([NORMAL, LOW])[LOW].ready == 2


def test_queues_are_those_that_hold_anything(broker):
    assert broker.queues() == []
    _publish(broker, [1], HIGH)
    _publish(broker, [1], DEAD)
    _publish(broker, [1])

    assert broker.queues() == [NORMAL, HIGH, DEAD]

    broker.purge(NORMAL)
    assert broker.queues() == [HIGH, DEAD]


def test_lanes_that_hold_something_undeclared_are_told_from_others(broker):
    for queue in (HIGH, DEAD, NORMAL):
        _publish(broker, [1], queue)

    assert broker.undeclared({NORMAL: "crm"}) == [HIGH]
    assert broker.undeclared([HIGH, NORMAL]) == []


def test_workers_are_known_until_they_withdraw(broker):
    broker.announce(_worker("b"), ttl_s=60)
    broker.announce(_worker("a"), ttl_s=60)
    broker.announce(_worker("b", seen_ms=9, counters={}), ttl_s=60)

    assert broker.workers() == [_worker("a"), _worker("b", seen_ms=9, counters={})]

    broker.withdraw("a")
    broker.withdraw("never there")
    assert [worker.name for worker in broker.workers()] == ["b"]


def test_a_silent_worker_is_forgotten(broker, clock):
    broker.announce(_worker("a"), ttl_s=0.05)
    deadline = time.monotonic() + 60

    clock.advance(1)
    while broker.workers():
        assert time.monotonic() < deadline
        time.sleep(0.01)

    assert broker.workers() == []


def test_threads_may_share_a_broker(broker):
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(lambda number: _publish(broker, [number]), range(100)))

    assert verdicts == [[None]] * 100
    assert len(set(broker.peek(NORMAL, limit=200))) == 100


def test_closing_twice_is_closing(broker):
    broker.close()
    broker.close()


def test_a_quota_is_kept_by_all_together_or_by_nobody(open_one, kind):
    """Who asks waits for those before; what is more than a burst waits for a whole one."""
    quota = Quota(interval_s=10.0, burst=4)
    with open_one() as one, open_one() as other:
        waits = [
            one.reserve("crm", 3, quota),
            other.reserve("crm", 3, quota),
            one.reserve("crm", 40, quota),
            other.reserve("erp", 40, quota),
        ]
    if kind == "rabbitmq":
        assert waits == [None] * 4
    else:
        # However long the calls took, within a minute.
        assert waits[0] == waits[3] == 0
        assert 20 - 60 < waits[1] <= 20
        assert 60 - 60 < waits[2] <= 60
