"""Looks at the whole, and what pages make of them."""

from __future__ import annotations

import threading

import pytest

from syncpipe import app as wiring
from syncpipe.core.collection import Collection
from syncpipe.errors import BrokerUnavailable
from syncpipe.ops.lanes import look
from syncpipe.settings.tree import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.transport.broker import WorkerInfo
from syncpipe.ui.pipeline import history, view
from syncpipe.ui.sampling import Sampler

SETTINGS = Settings(
    targets={"crm": PostgresOptions(name="crm", dsn="")},
    collections={"orders": Collection("orders", ("crm",))},
)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def broker(clock):
    return MemoryBroker(clock)


@pytest.fixture
def sampler(broker, clock):
    return Sampler(lambda: look(broker, ["crm"], 1), clock)


@pytest.fixture
def announce(broker, clock):
    def announced(envelopes):
        counters = {"envelopes:crm": envelopes, "operations:crm": envelopes * 10, "lanes": 4}
        counters["saved:crm"] = envelopes * 4
        broker.announce(WorkerInfo("w@h", 1, "h", 1, clock.now_ms(), counters), ttl_s=60)

    return announced


def last(sampler):
    return sampler._samples[-1]


def test_rates_come_from_looks_that_follow_each_other(sampler, clock, announce):
    for number in range(3):
        announce(number * 20)
        sampler.sample()
        clock.advance(2)
    card = view(wiring.build(SETTINGS), last(sampler))["targets"][0]
    assert (card["finished"], card["arriving"], card["operations"]) == (10.0, 10.0, 100.0)
    assert card["writes_saved"] == 40.0
    assert (card["state"], card["depth"], card["collections"]) == ("closed", 0, ["orders"])
    assert card["drain_s"] is None


def test_a_broker_that_is_away_is_what_is_shown(clock):
    def fails():
        raise BrokerUnavailable("The broker does not answer.")

    sampler = Sampler(fails, clock)
    sampler.sample()
    seen = view(wiring.build(SETTINGS), last(sampler))
    assert (seen["healthy"], seen["problems"]) == (False, ["The broker does not answer."])
    assert (seen["targets"], seen["workers"]) == ([], None)


def test_the_history_has_a_value_for_each_look(sampler, clock, announce):
    for number in range(3):
        announce(number)
        sampler.sample()
        clock.advance(2)
    seen = history(list(sampler._samples), [{"target": "crm"}, {"target": "new"}])
    assert len(seen["at_s"]) == 3
    assert seen["targets"]["crm"]["finished"] == [None, 0.5, 0.5]
    assert seen["targets"]["new"]["depth"] == [None, None, None]


def test_nothing_is_looked_at_before_somebody_asks(clock):
    looked = threading.Event()

    def fails():
        looked.set()
        raise BrokerUnavailable("No.")

    sampler = Sampler(fails, clock)
    assert sampler._thread is None
    assert sampler.latest(wait_s=60).trouble == "No."
    assert looked.is_set()
    sampler.close()
    assert not sampler._thread.is_alive()


def test_before_the_first_look_nothing_is_known():
    seen = view(wiring.build(SETTINGS), None)
    assert seen["problems"] == ["Nobody has looked yet."]
