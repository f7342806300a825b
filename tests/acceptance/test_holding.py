"""What a worker holds: little of each queue, and nothing that others miss when it is stopped."""

from __future__ import annotations

import functools
import signal
from urllib.parse import quote

import psycopg
import pytest

from syncpipe.core.codec import encode
from syncpipe.core.routing import Lane, Priority
from tests.acceptance.fleet import Fleet, until


@pytest.fixture
def rabbit_fleet(tmp_path, dsn, rabbitmq, rabbitmq_url):
    with Fleet(tmp_path, rabbitmq_url, dsn, management_url=rabbitmq.management_url) as fleet:
        yield fleet


@pytest.fixture
def redis_fleet(tmp_path, dsn, redis_url):
    with Fleet(tmp_path, redis_url, dsn) as fleet:
        yield fleet


def test_a_stopped_worker_that_wakes_up_changes_nothing_on_redis(redis_fleet):
    fleet = redis_fleet
    zombie = stopped(fleet)
    until(lambda: not fleet.pending(), "everything that is done by the other")
    woken(fleet, zombie)


def test_a_stopped_worker_that_wakes_up_changes_nothing_on_rabbitmq(
    rabbit_fleet, rabbitmq, rabbitmq_url
):
    fleet = rabbit_fleet
    zombie = stopped(fleet)
    # RabbitMQ would take a minute to find that nobody is there.
    host = rabbitmq_url.rpartition("/")[2]
    for each in rabbitmq.call("GET", f"vhosts/{host}/connections"):
        rabbitmq.call("DELETE", f"connections/{quote(each['name'], safe='')}")
    woken(fleet, zombie)


def stopped(fleet):
    """Stop one of two workers in the middle of its work; return it once the other has its lanes."""
    zombie = fleet.start()
    fleet.start()
    until(lambda: fleet.owned() == [2, 2], "two halves")
    with psycopg.connect(fleet.dsn) as other:
        other.execute("LOCK TABLE syncpipe.documents")
        fleet.send(1000)
        until(fleet.busy, "batches that run")
        zombie.send_signal(signal.SIGSTOP)
    until(lambda: fleet.owned() == [4], "lanes that are taken over")
    fleet.send(300)
    return zombie


def woken(fleet, zombie):
    """Let it go on, and compare the rows."""
    zombie.send_signal(signal.SIGCONT)
    fleet.send(300)
    fleet.arrive()
    until(lambda: fleet.owned() == [2, 2], "two halves again")
    until(lambda: not fleet.pending(), "acknowledgements")
    assert fleet.rows() == fleet.expected()
    assert fleet.dead() == []
    assert zombie.poll() is None


def test_a_worker_holds_few_messages_of_each_queue_whatever_waits_in_the_others(rabbit_fleet):
    fleet = rabbit_fleet
    lane = Lane("crm", 0)
    crowds = {
        priority: [fleet.outbound(lane, priority, [encode(each)]) for each in fleet.operations(50)]
        for priority in (Priority.CRITICAL, Priority.LOW)
    }
    with psycopg.connect(fleet.dsn) as other:
        other.execute("LOCK TABLE syncpipe.documents")
        fleet.start()
        for priority, crowd in crowds.items():
            assert set(fleet.broker.publish(crowd, timeout_s=60)) == {None}
            held = functools.partial(depth, fleet, lane.queue(priority))
            until(lambda held=held: held() == (42, 8), "eight that are held")
    until(lambda: not fleet.pending(), "acknowledgements")
    assert fleet.dead() == []


def depth(fleet, queue):
    """How many messages of a queue wait, and how many a worker holds."""
    found = fleet.broker.depths([queue])[queue]
    return found.ready, found.unacked
