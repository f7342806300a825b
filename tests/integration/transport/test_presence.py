"""Who lives, as Redis remembers it."""

from __future__ import annotations

import pytest
from redis import Redis

from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import WorkerInfo
from syncpipe.transport.redis_keys import Keys
from tests.patience import eventually

KEYS = Keys()


@pytest.fixture
def client(redis, redis_url):
    assert redis_url
    with Redis(unix_socket_path=redis.socket) as client:
        yield client


@pytest.fixture
def broker(redis_url):
    with open_broker(redis_url, clock=SystemClock()) as opened:
        yield opened


def announce(broker, name, ttl_s=60.0):
    broker.announce(WorkerInfo(name, pid=1, host="h", started_ms=1, seen_ms=2), ttl_s=ttl_s)


def names(broker):
    return [worker.name for worker in broker.workers()]


def test_the_dead_leave_nothing_behind(broker, client):
    announce(broker, "dead", ttl_s=0.05)
    announce(broker, "alive")
    eventually(lambda: names(broker) == ["alive"])
    assert client.zrange(KEYS.workers, 0, -1) == client.hkeys(KEYS.said) == [b"alive"]
    broker.withdraw("alive")
    assert client.keys() == []


def test_after_a_wipe_everybody_is_known_again_with_the_next_announcement(broker, client):
    announce(broker, "a")
    client.flushall()
    assert names(broker) == []
    announce(broker, "a")
    assert names(broker) == ["a"]


def test_what_is_only_half_there_is_forgotten(broker, client):
    client.zadd(KEYS.workers, {"half": 10**15})
    announce(broker, "whole")
    assert names(broker) == ["whole"]
    assert client.zrange(KEYS.workers, 0, -1) == [b"whole"]


def test_who_spoke_before_the_clock_went_back_does_not_live_for_ever(broker, client):
    for name in ("dead", "alive"):
        announce(broker, name)
        client.zincrby(KEYS.workers, 3_600_000, name)
    announce(broker, "alive")
    assert names(broker) == ["alive"]


def test_hundreds_of_workers_are_known(broker):
    for number in range(300):
        announce(broker, f"w{number:03}")
    assert names(broker) == [f"w{number:03}" for number in range(300)]
