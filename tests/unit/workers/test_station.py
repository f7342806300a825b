from __future__ import annotations

from dataclasses import dataclass

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.errors import BrokerUnavailable, ClockSkew, TargetUnavailable
from syncpipe.pipeline import Done, Report
from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
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
    def __init__(self, offset_ms=0):
        self.clock = FakeClock()
        self.settings = Settings(targets={"crm": PostgresOptions(name="crm", dsn="")})
        self.memory = MemoryBroker(self.clock)
        self.made = Pipeline(Target(self.clock, offset_ms))

    def pipeline(self, _target, _worker):
        return self.made

    def broker(self):
        return self.memory


def station(**options):
    return Station(Parts(**options), "w@h", {})


@pytest.mark.parametrize("offset_ms", [0, 5_000, -5_000, None])
def test_a_clock_within_five_seconds_or_a_target_that_is_down_lets_it_start(offset_ms):
    station(offset_ms=offset_ms).check_clocks()


@pytest.mark.parametrize(("offset_ms", "where"), [(5_001, "behind"), (-5_001, "ahead of")])
def test_a_clock_that_is_off_is_refused_and_told(offset_ms, where):
    with pytest.raises(ClockSkew, match=f"5001 ms {where} that of target 'crm'"):
        station(offset_ms=offset_ms).check_clocks()


def test_it_announces_what_it_has_counted():
    each = station()
    counts = {Outcome.APPLIED: 3, Outcome.DEAD: 1}
    report = Report((Done(), Done()), counts, {}, None, {}, None, 0.0)
    each.count(report, running=1)
    each.count(report, running=0)
    each.announce()
    (info,) = each.broker.workers()
    assert info.name == "w@h"
    expected = {"applied": 6, "dead": 2, "envelopes": 4, "batches": 2, "running": 0}
    assert {name: info.counters[name] for name in expected} == expected


def test_withdrawing_needs_no_broker():
    each = station()
    each.announce()
    each.withdraw()
    assert each.broker.workers() == []

    def gone(_name):
        raise BrokerUnavailable("gone")

    each.broker.withdraw = gone
    each.withdraw()


def test_closing_closes_the_pipelines():
    each = station()
    each.close()
    assert each.parts.made.closed
