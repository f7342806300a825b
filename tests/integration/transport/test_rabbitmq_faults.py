"""What a RabbitMQ that is full or killed does to those who are connected."""

from __future__ import annotations

import os
import signal

import pytest

from syncpipe.errors import BrokerFull, BrokerUnavailable, DeliveryTimeout
from syncpipe.ops.declaring import declare
from syncpipe.ops.lanes import look
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound, WorkerInfo
from tests.patience import eventually

QUEUE = "sp.crm.0.normal"


@pytest.fixture
def server(mortal_rabbitmq):
    return mortal_rabbitmq


@pytest.fixture
def broker(server):
    url = server.url(server.new_host())
    options = {"clock": SystemClock(), "management_url": server.management_url}
    with open_broker(url, **options) as opened:
        yield opened


@pytest.fixture(params=["memory", "disk"])
def alarm(server, request):
    """Raises an alarm when it is called, or lets it pass; it passes when the test ends."""

    def ring(*, on=True):
        server.set_alarm(on=on, of=request.param)

    yield ring
    ring(on=False)


def _publish(broker, numbers, timeout_s=20):
    messages = [Outbound(QUEUE, b"body %d" % n, f"id-{n}", "syncpipe.apply") for n in numbers]
    return broker.publish(messages, timeout_s=timeout_s)


def _works(broker):
    eventually(lambda: _publish(broker, [0]) == [None], within_s=120)


def _worker(name):
    return WorkerInfo(name, pid=7, host="here", started_ms=1, seen_ms=2)


def _tolerant(call):
    """Return what *call* returns, None while the broker cannot be asked."""
    try:
        return call()
    except BrokerUnavailable:
        return None


def _kill(server):
    pid = server.supervisor.pids()["rabbitmq"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: server.supervisor.pids()["rabbitmq"] not in {pid, None}, within_s=120)


def test_an_alarm_is_learnt_once_and_then_nothing_is_sent(broker, alarm):
    broker.declare([QUEUE])
    _works(broker)
    alarm()

    def learnt():
        verdicts = {type(verdict) for verdict in _publish(broker, range(1, 4), timeout_s=1)}
        assert verdicts <= {DeliveryTimeout, BrokerFull}
        return verdicts == {BrokerFull}

    eventually(learnt)
    refused = _publish(broker, range(10, 2_000), timeout_s=1)

    assert {type(verdict) for verdict in refused} == {BrokerFull}
    # Whoever only asks is answered.
    assert broker.missing([QUEUE, "sp.dead"]) == ["sp.dead"]
    assert broker.peek(QUEUE, limit=1) == [b"body 0"]
    alarm(on=False)
    _works(broker)
    assert set(broker.peek(QUEUE, limit=9_999)) <= {b"body %d" % n for n in range(4)}


def test_status_counts_during_an_alarm_and_says_what_it_cannot_find_out(broker, alarm):
    declare(broker, ["crm"], 1)
    assert _publish(broker, range(3)) == [None] * 3
    alarm()

    status = look(broker, ["crm"], 1)

    assert (status.depth, status.workers) == (3, None)
    (problem,) = status.problems
    assert problem.startswith("Which workers live cannot be found out: ")
    assert "memory or disk" in problem


def test_after_a_crash_new_queues_have_what_was_confirmed_and_who_listens_listens(server, broker):
    declare(broker, ["crm"], 1)
    assert _publish(broker, range(50)) == [None] * 50
    broker.announce(_worker("a"), ttl_s=600)
    assert [worker.name for worker in broker.workers()] == ["a"]

    _kill(server)

    found = eventually(lambda: _tolerant(lambda: broker.peek(QUEUE, limit=99)), within_s=120)
    assert sorted(found) == sorted(b"body %d" % n for n in range(50))
    assert not any(each.made for each in declare(broker, ["crm"], 1))

    def seen():
        broker.announce(_worker("b"), ttl_s=600)
        return "b" in {worker.name for worker in broker.workers()}

    eventually(lambda: _tolerant(seen), within_s=120)
