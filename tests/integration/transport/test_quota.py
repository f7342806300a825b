"""The quota that processes share through a real Redis."""

from __future__ import annotations

import threading
import time

import pytest
from redis import Redis

from syncpipe.resilience.limiter import Limiter
from syncpipe.resilience.quota import Quota, parse_quota
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker

KEY = "syncpipe:quota:crm"
#: What Redis says of a key that has expired.
GONE = -2


@pytest.fixture
def broker(redis_url):
    with open_broker(redis_url, clock=SystemClock()) as broker:
        yield broker


@pytest.fixture
def client(redis):
    with Redis(unix_socket_path=redis.socket) as client:
        yield client


class Crew:
    """Several that begin as many operations as they may, until all of them together are enough.

    They try equally often, also where one has its turn less often than another.
    """

    def __init__(self, number, enough):
        self.total, self._over = [], False
        self._turn = threading.Barrier(number, self._look, timeout=60)
        self._enough = enough

    def _look(self):
        self._over = sum(self.total) >= self._enough

    def goes_on(self):
        self._turn.wait()
        return not self._over


class Process(threading.Thread):
    """Begins as many operations as it may, with its crew."""

    def __init__(self, url, quota, crew):
        super().__init__()
        self.url, self.limiter, self.crew = url, Limiter(quota), crew
        self.begun = 0

    def run(self):
        clock = SystemClock()
        with open_broker(self.url, clock=clock) as broker:
            while self.crew.goes_on():
                now = clock.monotonic()
                if wanted := self.limiter.wants(now, 1):
                    wait_s = broker.reserve("crm", wanted, self.limiter.quota)
                    self.limiter.granted(now, wanted, wait_s)
                left = self.limiter.left(now)
                self.limiter.spend(left)
                self.begun += left
                self.crew.total.append(left)
                time.sleep(0.001)


def test_two_that_take_what_they_can_keep_the_rate_and_get_about_the_same(redis_url):
    quota, crew = parse_quota("400/s", 100), Crew(2, enough=1200)
    processes = [Process(redis_url, quota, crew) for _ in range(2)]
    began = time.monotonic()
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    took_s = time.monotonic() - began
    assert sum(crew.total) <= quota.burst + quota.per_s * took_s
    for each in processes:
        assert 1 / 3 <= each.begun / sum(crew.total) <= 2 / 3


def test_what_is_spent_is_forgotten_when_it_no_longer_matters(broker, client):
    broker.reserve("crm", 1, Quota(interval_s=0.001, burst=10))
    assert client.pttl(KEY) in {*range(2_001), GONE}
    broker.reserve("crm", 10, Quota(interval_s=1.0, burst=10))
    assert 2_000 < client.pttl(KEY) <= 12_000


def test_a_clock_that_goes_back_does_not_hold_up_anybody(broker, client):
    seconds, _ = client.time()
    hour_us = 3600 * 1_000_000
    written = seconds * 1_000_000 + hour_us
    client.set(KEY, f"{written + 50_000_000} {written}")
    wait_s = broker.reserve("crm", 1, Quota(interval_s=1.0, burst=1))
    assert 0 < wait_s <= 50


def test_a_clock_that_goes_forward_forgives_no_more_than_a_burst(broker, client):
    client.set(KEY, "5 4")
    quota = Quota(interval_s=100.0, burst=3)
    waits = [broker.reserve("crm", 1, quota) for _ in range(4)]
    assert waits[:3] == [0, 0, 0]
    assert waits[3] > 0


def test_anything_else_under_its_key_is_replaced(broker, client):
    client.set(KEY, "nonsense")
    assert broker.reserve("crm", 1, Quota(interval_s=1.0, burst=1)) == 0
    assert client.get(KEY) != b"nonsense"
