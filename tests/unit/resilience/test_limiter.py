from __future__ import annotations

from collections import Counter

import pytest

from syncpipe.resilience.limiter import Limiter
from syncpipe.resilience.quota import parse_quota
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock


class Process:
    """A process that always has something to do."""

    def __init__(self, quota, clock, broker, *, cost=1):
        self.limiter = Limiter(quota)
        self.clock, self.broker, self.cost = clock, broker, cost
        self.begun = self.asked = 0

    def work(self):
        now = self.clock.monotonic()
        if wanted := self.limiter.wants(now, self.cost):
            self.asked += 1
            self.limiter.granted(
                now, wanted, self.broker.reserve("crm", wanted, self.limiter.quota)
            )
        while self.limiter.left(now) >= self.cost:
            self.limiter.spend(self.cost)
            self.begun += self.cost


@pytest.mark.parametrize("rate", ["1000/min", "50/s", "100000/s", "600/h"])
@pytest.mark.parametrize("costs", [(1, 1), (1, 1, 1), (10, 10), (7, 3)])
def test_processes_keep_to_the_rate_together_and_each_gets_its_part(rate, costs):
    quota, clock = parse_quota(rate, None), FakeClock()
    broker = MemoryBroker(clock)
    crew = [Process(quota, clock, broker, cost=cost) for cost in costs]
    seconds = 20 * max(1.0, max(costs) * quota.interval_s)
    for _ in range(2000):
        for each in crew:
            each.work()
        clock.advance(max(0.001, round(seconds / 2000, 3)))
    total = sum(each.begun for each in crew)
    most = quota.burst + quota.per_s * clock.monotonic()
    # What is more than a burst is let through, and paid for afterwards.
    assert total <= most + max(costs)
    assert total >= 0.85 * quota.per_s * clock.monotonic()
    if len(set(costs)) == 1:
        for each in crew:
            assert 2 / 3 / len(crew) <= each.begun / total <= 4 / 3 / len(crew)


def test_nobody_is_asked_for_each_batch():
    quota, clock = parse_quota("100000/s", None), FakeClock()
    process = Process(quota, clock, MemoryBroker(clock), cost=100)
    for _ in range(1000):
        process.work()
        clock.advance(0.001)
    assert process.begun > 50_000
    assert process.asked < 10


def test_one_question_at_a_time_and_none_without_need():
    limiter = Limiter(parse_quota("10/s", None))
    assert limiter.wants(0.0, 1) == 5
    assert limiter.wants(0.0, 1) == 0
    limiter.granted(0.0, 5, 2.0)
    assert (limiter.left(1.9), limiter.wakes(), limiter.wants(1.9, 1)) == (0, 2.0, 0)
    assert (limiter.left(2.0), limiter.wakes(), limiter.wants(2.0, 1)) == (5, None, 0)
    limiter.spend(4)
    assert limiter.wants(2.0, 1) == 5
    limiter.granted(2.0, 5, 0.0)
    assert limiter.wants(2.0, 100) == 94


def test_several_targets_do_not_share():
    clock = FakeClock()
    broker, quota = MemoryBroker(clock), parse_quota("1/s", None)
    assert [broker.reserve(name, 1, quota) for name in ("a", "b", "a")] == [0, 0, 1]
    assert Counter(broker.reserve("a", 1, quota) for _ in range(2)) == {2: 1, 3: 1}
