"""Who lives, while an alarm keeps RabbitMQ from taking what anybody tells."""

from __future__ import annotations

import subprocess
import sys

import pytest

from syncpipe.errors import BrokerFull
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import WorkerInfo
from tests.patience import eventually

ANNOUNCER = """
import sys, time
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import WorkerInfo

name, url = sys.argv[1:]
broker = open_broker(url, clock=SystemClock())
broker.announce(WorkerInfo(name, 1, "here", 1, 2), ttl_s=1)
while True:
    try:
        broker.announce(WorkerInfo(name, 1, "here", 1, 2), ttl_s=1)
    except Exception:
        time.sleep(0.1)
"""


@pytest.fixture
def server(mortal_rabbitmq):
    return mortal_rabbitmq


@pytest.fixture
def url(server):
    yield server.url(server.new_host())
    server.set_alarm(on=False)


@pytest.fixture
def open_one(url):
    opened = []

    def make():
        opened.append(open_broker(url, clock=SystemClock()))
        return opened[-1]

    yield make
    for broker in opened:
        broker.close()


@pytest.fixture
def announcer(url):
    process = subprocess.Popen([sys.executable, "-c", ANNOUNCER, "killed", url])
    yield process
    process.kill()
    process.wait()


def _worker(name):
    return WorkerInfo(name, pid=7, host="here", started_ms=1, seen_ms=2)


def _names(broker):
    return [worker.name for worker in broker.workers()]


def _full(broker, name):
    """Announce, and return whether RabbitMQ has said that it takes nothing."""
    try:
        broker.announce(_worker(name), ttl_s=1)
    except BrokerFull:
        return True
    return False


def test_under_an_alarm_those_live_who_are_still_connected(server, open_one, announcer):
    here, ending, witness = open_one(), open_one(), open_one()

    def all_known():
        here.announce(_worker("here"), ttl_s=1)
        ending.announce(_worker("ending"), ttl_s=1)
        return _names(witness) == ["ending", "here", "killed"]

    eventually(all_known, within_s=120)
    server.set_alarm(on=True)
    for broker, name in ((here, "here"), (ending, "ending")):
        eventually(lambda broker=broker, name=name: _full(broker, name), within_s=120)
    for _ in range(3):
        assert _names(witness) == ["ending", "here", "killed"]
    announcer.kill()
    eventually(lambda: _names(witness) == ["ending", "here"], within_s=60)
    ending.withdraw("ending")
    eventually(lambda: _names(witness) == ["here"], within_s=60)

    server.set_alarm(on=False)
    eventually(lambda: not _full(here, "here"), within_s=120)
    eventually(lambda: not _full(here, "here") and _names(witness) == ["here"], within_s=60)


def test_who_comes_under_an_alarm_is_told_of_it_and_not_that_nobody_lives(server, open_one):
    working, looking = open_one(), open_one()
    working.announce(_worker("a"), ttl_s=60)
    server.set_alarm(on=True)
    with pytest.raises(BrokerFull, match="alarm"):
        looking.workers()
    with pytest.raises(BrokerFull, match="alarm"):
        looking.workers()
    server.set_alarm(on=False)
    eventually(lambda: not _full(working, "a"), within_s=120)
    eventually(lambda: _names(looking) == ["a"] or not _full(working, "a"), within_s=60)
