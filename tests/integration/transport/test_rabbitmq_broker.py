"""What the broker port on RabbitMQ promises beyond the contract."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from kombu import Connection

from syncpipe.errors import BrokerFull, BrokerUnavailable, QueueMissing, TopologyConflict
from syncpipe.system import SystemClock
from syncpipe.transport import durability, open_broker, rescue
from syncpipe.transport.broker import Outbound, WorkerInfo
from syncpipe.transport.rabbitmq import topology
from tests.patience import eventually

HERE, GONE = "sp.crm.0.normal", "sp.crm.0.low"
LISTENER = """
import sys, time
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import WorkerInfo

name, url = sys.argv[1:]
with open_broker(url, clock=SystemClock()) as broker:
    names = []
    while True:
        broker.announce(WorkerInfo(name, 1, "here", 1, 2), ttl_s=20)
        if names != ["a", "b", "c"]:
            names = [worker.name for worker in broker.workers()]
            print(*names, flush=True)
        time.sleep(0.1)
"""


@dataclass
class Raw:
    """A connection that does what a stranger may do."""

    connection: Connection

    @property
    def channel(self) -> Any:
        return self.connection.default_channel

    def declare(self, queue: str, **arguments: object) -> None:
        self.channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)

    def waiting(self, queue: str) -> int:
        return self.channel.queue_declare(queue, passive=True).message_count


@pytest.fixture
def raw(rabbitmq_url):
    with Connection(rabbitmq_url) as connection:
        yield Raw(connection)


@pytest.fixture
def open_one(rabbitmq, rabbitmq_url):
    opened = []

    def make(**changes):
        options = {"management_url": rabbitmq.management_url} | changes
        broker = open_broker(options.pop("url", rabbitmq_url), clock=SystemClock(), **options)
        opened.append(broker)
        return broker

    yield make
    for broker in opened:
        broker.close()


@pytest.fixture
def broker(open_one):
    opened = open_one()
    opened.declare([HERE])
    return opened


def _messages(numbers, queue=HERE):
    return [Outbound(queue, b"body %d" % n, f"id-{n}", "syncpipe.apply") for n in numbers]


def _publish(broker, numbers, queue=HERE):
    return broker.publish(_messages(numbers, queue), timeout_s=60)


def _worker(name):
    return WorkerInfo(name, pid=7, host="here", started_ms=1, seen_ms=2, counters={"ops": 3})


def _names(broker):
    return [worker.name for worker in broker.workers()]


def test_only_what_goes_to_a_missing_queue_is_refused(broker):
    messages = [message for n in range(700) for message in (*_messages([n]), *_messages([n], GONE))]

    verdicts = broker.publish(messages, timeout_s=60)

    assert verdicts[::2] == [None] * 700
    assert {type(verdict) for verdict in verdicts[1::2]} == {QueueMissing}
    assert "sp.crm.0.low.v1" in str(verdicts[1])
    assert broker.depths([HERE])[HERE].ready == 700
    assert broker.missing([HERE, GONE, "sp.dead"]) == [GONE, "sp.dead"]


def test_a_message_travels_as_celery_sends_it_and_stays_on_disk(broker, raw):
    _publish(broker, [1])

    message = raw.channel.basic_get(f"{HERE}.v1")

    assert message.body == b"body 1"
    assert message.headers["task"] == "syncpipe.apply"
    assert (message.headers["id"], message.properties["message_id"]) == ("id-1", "id-1")
    assert message.properties["delivery_mode"] == 2
    assert message.content_type == "application/x-syncpipe"


def test_a_full_queue_refuses_what_it_has_no_room_for(broker, raw):
    full = dict(topology.queue_arguments()) | {"x-max-length": 3}
    raw.declare(f"{GONE}.v1", **full)

    # RabbitMQ closes a full queue a little late, and counts nothing that it refuses.
    refused = eventually(lambda: [each for each in _publish(broker, [1], GONE) if each])

    assert {type(verdict) for verdict in refused} == {BrokerFull}
    assert _publish(broker, [1]) == [None]
    broker.purge(GONE)
    assert eventually(lambda: _publish(broker, [1], GONE) == [None])


def test_what_is_declared_twice_is_made_once(open_one):
    broker = open_one()

    assert broker.declare([HERE, GONE]) == ["sp.limit", HERE, GONE]
    assert broker.declare([GONE, f"{HERE}.v1", "sp.dead"]) == ["sp.dead"]
    assert broker.declare([]) == []


def test_two_may_declare_at_once(open_one):
    brokers = [open_one(), open_one()]
    queues = [f"sp.crm.{shard}.normal" for shard in range(4)]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda broker: broker.declare(queues), brokers))

    assert brokers[0].missing(queues) == []


def test_queues_with_other_properties_are_named_and_nothing_is_made(open_one, raw):
    broker = open_one()
    raw.declare(f"{HERE}.v1")
    raw.declare("sp.dead.v1", **{"x-queue-type": "quorum"})

    with pytest.raises(TopologyConflict, match=r"sp\.crm\.0\.normal\.v1") as conflict:
        broker.declare([GONE, HERE, "sp.dead"])

    assert "sp.dead.v1" in str(conflict.value)
    assert broker.missing([GONE]) == [GONE, "sp.limit"]
    raw.channel.queue_delete(f"{HERE}.v1")
    raw.channel.queue_delete("sp.dead.v1")
    assert broker.declare([GONE, HERE, "sp.dead"]) == ["sp.limit", GONE, HERE, "sp.dead"]


def test_queues_of_another_topology_keep_their_version(broker, raw):
    raw.declare("sp.crm.9.low.v0", **topology.queue_arguments())
    _publish(broker, [1], "sp.crm.9.low.v0")

    assert broker.queues() == ["sp.crm.9.low.v0"]
    assert broker.peek("sp.crm.9.low.v0", limit=1) == [b"body 1"]


def test_two_who_read_at_once_both_see_everything(open_one, broker):
    _publish(broker, range(50))

    with ThreadPoolExecutor(2) as pool:
        peeks = [functools.partial(each.peek, HERE, limit=99) for each in (broker, open_one())]
        pages = list(pool.map(_in_turn, peeks * 4))

    assert [sorted(page) for page in pages] == [sorted(b"body %d" % n for n in range(50))] * 8


def test_what_was_delivered_too_often_comes_back_exactly_once(broker, rabbitmq_url, raw):
    queue = "sp.often.0.normal.v1"
    raw.declare(queue, **topology.queue_arguments(delivery_limit=20))
    _publish(broker, [1], queue)

    returned = 0

    def back():
        nonlocal returned
        returned += broker.reclaim().returned
        return raw.waiting(queue)

    for _ in range(30):
        eventually(back)
        _take_and_vanish(rabbitmq_url, queue)
    eventually(back)

    assert returned == 1
    assert broker.peek(queue, limit=9) == [b"body 1"]
    assert broker.reclaim().returned == 0
    message = eventually(lambda: raw.channel.basic_get(queue))
    assert message.headers["task"] == "syncpipe.apply"
    assert not [name for name in message.headers if name.startswith("x-death")]


def _take_and_vanish(url, queue):
    """Take what waits in *queue*, and lose the connection."""
    with Connection(url) as connection:
        assert eventually(lambda: connection.default_channel.basic_get(queue))


def test_nothing_is_reclaimed_where_nothing_was_set_aside(open_one):
    assert open_one().reclaim() == (0, 0)
    broker = open_one()
    broker.declare([HERE])
    assert broker.reclaim().returned == 0


def test_two_who_reclaim_at_once_return_everything_once(open_one, broker, raw, rabbitmq_url):
    _set_aside(raw, 250, HERE)

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(_in_turn, [broker.reclaim, open_one().reclaim]))

    done.append(rescue(rabbitmq_url, clock=SystemClock()))
    assert sum(each.returned for each in done) == 250
    assert done[-1].left == 0
    bodies = broker.peek(HERE, limit=999)
    assert Counter(bodies) == Counter(b"aside %d" % n for n in range(250))


def _in_turn(ask):
    """Ask until there is an answer: the other may have its turn for longer than one waits."""
    while True:
        with suppress(BrokerUnavailable):
            return ask()


def test_what_cannot_go_back_does_not_stop_the_others(broker, raw):
    _set_aside(raw, 120, GONE)
    _set_aside(raw, 3, HERE)

    assert broker.reclaim() == (3, 120)
    assert eventually(lambda: raw.waiting(topology.LIMIT_QUEUE) == 120)
    broker.declare([GONE])
    assert broker.reclaim().returned == 120


def _set_aside(raw, count, queue):
    """Put messages where RabbitMQ puts what was delivered too often."""
    before = raw.waiting(topology.LIMIT_QUEUE)
    for number in range(count):
        message = raw.channel.prepare_message(b"aside %d" % number, properties={"message_id": "m"})
        raw.channel.basic_publish(
            message, exchange=topology.LIMIT_EXCHANGE, routing_key=topology.physical(queue)
        )
    eventually(lambda: raw.waiting(topology.LIMIT_QUEUE) >= before + count)


def test_two_brokers_hear_each_other(open_one):
    one, two = open_one(), open_one()
    assert two.workers() == []

    one.announce(_worker("a"), ttl_s=60)
    two.announce(_worker("b"), ttl_s=60)

    assert two.workers() == [_worker("a"), _worker("b")]
    one.withdraw("a")
    assert _names(two) == ["b"]


def test_the_first_look_waits_until_everybody_was_heard(open_one):
    one, two = open_one(), open_one()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(two.workers)
        while not looking.done():
            one.announce(_worker("a"), ttl_s=60)
    assert looking.result() == [_worker("a")]


def test_what_is_no_announcement_is_passed_over(open_one, raw):
    broker = open_one()
    broker.announce(_worker("a"), ttl_s=60)
    for body in (b"\xff", b"7", b"{}", b'{"worker": {"name": 1}, "ttl_s": 9}'):
        raw.channel.basic_publish(
            raw.channel.prepare_message(body), exchange=topology.WORKERS_EXCHANGE
        )

    broker.announce(_worker("b"), ttl_s=60)
    assert _names(broker) == ["a", "b"]


def test_three_processes_hear_each_other(rabbitmq_url):
    running = [
        subprocess.Popen(
            [sys.executable, "-c", LISTENER, name, rabbitmq_url], stdout=subprocess.PIPE, text=True
        )
        for name in "abc"
    ]
    try:
        for process in running:
            assert "a b c\n" in iter(process.stdout.readline, "")
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_a_forked_child_makes_its_own_connections(broker):
    _publish(broker, [1])
    broker.announce(_worker("parent"), ttl_s=60)
    pid = os.fork()
    if pid == 0:
        fine = False
        try:
            broker.announce(_worker("child"), ttl_s=60)
            fine = _publish(broker, [2]) == [None] and _names(broker) == ["child"]
        finally:
            os._exit(0 if fine else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert _publish(broker, [3]) == [None]
    assert _names(broker) == ["child", "parent"]
    assert broker.peek(HERE, limit=9) == [b"body 1", b"body 2", b"body 3"]


def test_without_the_management_api_only_looking_fails(open_one):
    broker = open_one(management_url="http://127.0.0.1:1")
    broker.declare([HERE])

    for look in (broker.queues, lambda: broker.depths([HERE])):
        with pytest.raises(BrokerUnavailable, match="rabbitmq-plugins enable"):
            look()
    assert _publish(broker, [1]) == [None]
    assert broker.peek(HERE, limit=1) == [b"body 1"]
    assert broker.purge(HERE) == 1
    assert broker.workers() == []


def test_a_management_api_that_refuses_us_is_named(open_one, rabbitmq):
    broker = open_one(management_url=f"http://guest:wrong@127.0.0.1:{rabbitmq.management_port}")

    with pytest.raises(BrokerUnavailable, match="monitoring"):
        broker.queues()


def test_what_workers_hold_is_told_after_some_seconds(broker, raw):
    _publish(broker, range(3))
    assert raw.channel.basic_get(f"{HERE}.v1") is not None

    depth = eventually(lambda: (found := broker.depths([HERE])[HERE]).unacked and found)
    assert (depth.ready, depth.unacked) == (2, 1)


def test_a_refused_connection_says_why_and_keeps_the_password(open_one, rabbitmq):
    port = rabbitmq.port
    refusals = {
        f"amqp://guest:sEcret@127.0.0.1:{port}/": "user or password",
        f"amqp://guest:guest@127.0.0.1:{port}/nowhere": "virtual host 'nowhere'",
        "amqp://guest:sEcret@127.0.0.1:1/": "cannot be reached",
        "amqp://guest:sEcret@no.such.host.invalid/": "cannot be reached",
        f"amqps://guest:sEcret@127.0.0.1:{port}/": "TLS with",
    }
    for url, why in refusals.items():
        broker = open_one(url=url)
        with pytest.raises(BrokerUnavailable, match=why) as refused:
            broker.missing([HERE])
        (verdict,) = _publish(broker, [1])
        assert why in str(verdict)
        assert "sEcret" not in str(refused.value) + str(verdict)


def test_a_server_of_another_kind_is_an_error(open_one, rabbitmq):
    broker = open_one(url=f"amqp://127.0.0.1:{rabbitmq.management_port}/")

    with pytest.raises(BrokerUnavailable):
        broker.missing([HERE])


def test_rabbitmq_has_no_settings_to_judge(rabbitmq_url):
    assert durability(rabbitmq_url, clock=SystemClock()) == {}
