from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import DEAD_QUEUE, queues_of
from syncpipe.errors import (
    BrokerFull,
    BrokerUnavailable,
    ClockSkew,
    QueueMissing,
    TargetUnavailable,
)
from syncpipe.pipeline import Done, Later, Report
from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.store import MemoryStore
from syncpipe.transport.broker import WorkerInfo
from workers import station as module
from workers.lanes import declared
from workers.station import Station


class Target:
    def __init__(self, clock, offset_ms):
        self.name = "crm"
        self._clock = clock
        self._offset_ms = offset_ms

    def now_ms(self):
        if self._offset_ms is None:
            raise TargetUnavailable("down")
        return self._clock.now_ms() + self._offset_ms


@dataclass
class Pipeline:
    target: Target
    closed: bool = False

    def close(self):
        self.closed = True


class Parts:
    def __init__(self, offset_ms=0, store=None):
        self.clock, self.random = FakeClock(), SeededRandom()
        self.store = lambda: store
        self.settings = Settings(targets={"crm": PostgresOptions(name="crm", dsn="")})
        self.memory = MemoryBroker(self.clock)
        self.made = Pipeline(Target(self.clock, offset_ms))

    def pipeline(self, _target, _worker, _store):
        return self.made

    def broker(self):
        return self.memory


def station(**options):
    parts = Parts(**options)
    return Station(parts, "w@h", declared(parts.settings))


class Consumer:
    queues = ()
    _active_tags: ClassVar[dict[str, str]] = {}

    def add_queue(self, queue):
        """Nothing to do."""


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch):
    """However slow the machine is, a broker in memory has heard that somebody leaves."""
    monkeypatch.setattr(module, "_FAREWELL_S", 60.0)


@pytest.mark.parametrize("offset_ms", [0, 5_000, -5_000, None])
def test_a_clock_within_five_seconds_or_a_target_that_is_down_lets_it_start(offset_ms):
    station(offset_ms=offset_ms).check_clocks()


@pytest.mark.parametrize(("offset_ms", "where"), [(5_001, "behind"), (-5_001, "ahead of")])
def test_a_clock_that_is_off_is_refused_and_told(offset_ms, where):
    with pytest.raises(ClockSkew, match=f"5001 ms {where} that of target 'crm'"):
        station(offset_ms=offset_ms).check_clocks()


def test_it_announces_what_it_has_counted():
    each = station()
    each.subscriptions.connect(Consumer())
    counts = {Outcome.APPLIED: 3, Outcome.MERGED: 7, Outcome.DEAD: 1, Outcome.RETRYING: 5}
    verdicts = (Done(), Later(1.0, counted=True))
    report = Report(verdicts, counts, {}, None, {}, None, unknown={"P0001": 2, "x": 1})
    for _ in range(3):
        each.begin()
    each.count("crm", report)
    each.count("crm", report)
    each.announce()
    (info,) = each.broker.workers()
    assert info.name == "w@h"
    expected = {"applied": 6, "dead": 2, "envelopes": 4, "batches": 2, "running": 1}
    expected["unknown_errors"] = 6
    expected |= {"envelopes:crm": 2, "operations:crm": 22, "saved:crm": 14, "retrying": 10}
    assert {name: info.counters[name] for name in expected} == expected


def test_who_does_not_consume_does_not_announce_itself():
    each = station()
    each.announce()
    assert each.broker.workers() == []
    each.subscriptions.connect(Consumer())
    each.announce()
    assert len(each.broker.workers()) == 1


def test_who_has_left_does_not_come_back():
    each = station()
    each.subscriptions.connect(Consumer())
    each.announce()
    each.withdraw()
    each.announce()
    assert each.broker.workers() == []


def test_alone_it_wants_every_lane_before_anybody_knows_of_it():
    each = station()
    assert each.look()
    assert each.subscriptions.wanted == set(each.lanes)
    assert each.counters["lanes"] == each.parts.settings.shards
    assert each.broker.workers() == []
    assert not each.look()


def test_with_another_it_wants_its_share_and_the_whole_again_when_that_is_silent():
    parts = Parts()
    one, two = (Station(parts, name, declared(parts.settings)) for name in ("a@h", "b@h"))
    for each in (one, two):
        each.subscriptions.connect(Consumer())
        each.announce()
        each.look()
    for _ in range(2):
        one.look()
    assert one.subscriptions.wanted | two.subscriptions.wanted == set(one.lanes)
    assert not one.subscriptions.wanted & two.subscriptions.wanted
    parts.clock.advance(2)
    one.look()
    assert one.subscriptions.wanted == set(one.lanes)


def test_a_broker_that_cannot_be_asked_leaves_everything_as_it_is():
    each = station()
    each.look()

    def gone():
        raise BrokerUnavailable("gone")

    each.broker.workers = gone
    with pytest.raises(BrokerUnavailable):
        each.look()
    assert each.subscriptions.wanted == set(each.lanes)


def test_one_queue_of_a_lane_is_enough_to_start_and_none_is_told():
    each = station()
    each.require_queues()
    each.broker.missing = lambda queues: [*queues, "sp.limit"]
    number = len(each.lanes)
    with pytest.raises(QueueMissing, match=f"none of the {number}.*'sp.crm.0.critical'.*migrate"):
        each.require_queues()
    there = next(iter(each.lanes))
    each.broker.missing = lambda queues: [name for name in queues if name != there] + ["sp.limit"]
    each.require_queues()


def test_what_the_broker_lacks_beside_the_lanes_is_told_too():
    each = station()
    each.look()
    each.broker.missing = lambda _: [DEAD_QUEUE, "sp.limit"]
    with capture_logs() as lines:
        assert each.check_queues()
    (line,) = lines
    assert f"no queue {DEAD_QUEUE!r} and 1 more" in line["error"]
    assert each.subscriptions.wanted == set(each.lanes)
    each.broker.missing = lambda _: []
    with capture_logs() as lines:
        each.check_queues()
    assert [(line["event"], line["queues"]) for line in lines] == [("queue-back", 2)]


def test_a_queue_that_is_missing_is_told_once_and_not_wanted_until_it_is_back():
    each = station()
    each.look()
    gone, *rest = each.lanes
    assert not each.check_queues()
    each.broker.missing = lambda queues: [name for name in queues if name == gone]
    with capture_logs() as lines:
        assert each.check_queues()
        assert not each.check_queues()
    assert each.subscriptions.wanted == set(rest)
    (line,) = lines
    assert (line["event"], line["log_level"], line["code"]) == ("queue-missing", "error", "SP-E406")
    assert f"no queue {gone!r}. Run `syncpipe migrate`" in line["error"]
    each.broker.missing = lambda _: []
    with capture_logs() as lines:
        assert each.check_queues()
    assert [(line["event"], line["queue"], line["queues"]) for line in lines] == [
        ("queue-back", gone, 1)
    ]
    assert each.subscriptions.wanted == set(each.lanes)


def test_a_found_lane_that_is_gone_again_is_not_wanted_and_not_worth_a_line():
    each = station()
    each.assignment.found = {"sp.crm.99.low": "crm"}
    each.look()
    assert each.subscriptions.wanted == {*each.lanes, "sp.crm.99.low"}
    each.broker.missing = lambda queues: [name for name in queues if name not in each.lanes][1:]
    with capture_logs() as lines:
        assert each.check_queues()
    assert each.subscriptions.wanted == set(each.lanes)
    assert lines == []


def test_processes_that_are_configured_with_other_lanes_are_no_peers():
    """Each group would leave lanes to the other that nobody consumes."""
    parts = Parts()
    few, many = (dict.fromkeys(queues_of("crm", shards), "crm") for shards in (4, 8))
    crew = [Station(parts, f"few-{number}@h", few) for number in range(2)]
    crew += [Station(parts, f"many-{number}@h", many) for number in range(3)]
    for _ in range(2):
        for each in crew:
            each.subscriptions.connect(Consumer())
            each.announce()
            each.look()
    for each in crew:
        each.look()
    wanted = [each.subscriptions.wanted for each in crew]
    assert set().union(*wanted[:2]) == set(few)
    assert set().union(*wanted[2:]) == set(many)
    assert not wanted[0] & wanted[1]


def test_a_broker_that_does_not_answer_holds_up_nobody_who_leaves(monkeypatch):
    monkeypatch.setattr(module, "_FAREWELL_S", 0.01)
    each = station()
    silence, heard = threading.Event(), []

    def withdraw(name):
        silence.wait(60)
        heard.append(name)

    each.broker.withdraw = withdraw
    assert not each.withdraw()
    assert not each.withdraw()
    assert heard == []
    silence.set()


def test_under_an_alarm_who_knows_nobody_wants_every_lane():
    """Several owners of a lane do no harm, and what they drain may end the alarm."""
    each = station()

    def full():
        raise BrokerFull("an alarm")

    each.broker.workers = full
    assert each.look()
    assert each.subscriptions.wanted == set(each.lanes)


def test_withdrawing_needs_no_broker():
    each = station()
    each.announce()
    assert each.withdraw()
    assert each.broker.workers() == []

    def gone(_name):
        raise BrokerUnavailable("gone")

    other = station()
    other.broker.withdraw = gone
    assert other.withdraw()


def test_closing_closes_the_pipelines():
    each = station()
    each.close()
    assert each.parts.made.closed


def queues_wanted(each, *peers):
    for name in peers:
        info = WorkerInfo(name, 1, "h", 0, 0, {"plan": each.assignment.plan})
        each.broker.announce(info, ttl_s=9)
    each.look()
    return each.subscriptions.wanted


def test_one_process_takes_the_dead_letters_if_there_is_a_store():
    assert DEAD_QUEUE not in queues_wanted(station())
    peers = [f"w{number}@h" for number in range(3)]
    leading = []
    for name in peers:
        parts = Parts(store=MemoryStore())
        each = Station(parts, name, declared(parts.settings))
        leading.append(DEAD_QUEUE in queues_wanted(each, *peers))
    assert sorted(leading) == [False, False, True]


def test_flower_is_told_and_a_broker_that_does_not_take_it_harms_nothing():
    each = station()
    each.tell([])

    class Teller:
        def tell(self, letters):
            if letters:
                raise BrokerUnavailable("no")

    each.teller = Teller()
    with capture_logs() as log:
        for letters in ([1], [2], [], [3]):
            each.tell(letters)
    assert [(line["event"], line["job"]) for line in log] == [
        ("periodic-fails", "flower"),
        ("periodic-works", "flower"),
        ("periodic-fails", "flower"),
    ]
