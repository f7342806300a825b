"""Fleets of breakers: a target that goes, comes back, flaps, or is reached by some alone."""

from __future__ import annotations

from collections import Counter

import pytest

from syncpipe.resilience.register import State
from tests.unit.resilience.breakers import DOWN, Ringside

#: Seconds of one step, and between two announcements.
STEP_S, NEWS_S = 0.1, 0.5
OPTIONS = {"breaker_probe_max_s": 20.0}


class Fleet:
    """Processes that call a target as often as they may, and tell each other."""

    def __init__(self, size, *, seed=0, idle=(), presence=True):
        self.names = [f"p{number}" for number in range(size)]
        self.ring = Ringside(*self.names, slots=2, seed=seed, **OPTIONS)
        self.idle, self.presence = set(idle), presence
        self.probes, self.calls = Counter(), Counter()
        self.steps = 0

    @property
    def states(self):
        return {self.ring[name].state for name in self.names}

    def run(self, seconds, up):
        """Let time pass; *up* tells whether the target answers a process at a time."""
        for _ in range(round(seconds / STEP_S)):
            self.ring.clock.advance(STEP_S)
            self.steps += 1
            for place, name in enumerate(self.names):
                self.step(name, place, up(self.ring.clock.monotonic(), name))
            if self.presence and self.steps % round(NEWS_S / STEP_S) == 0:
                self.ring.share()

    def step(self, name, place, works):
        breaker = self.ring[name]
        breaker.tick()
        leads = not self.presence or breaker.register.failures % len(self.names) == place
        due = breaker.probe_due(leads=leads)
        if due is not None and due <= self.ring.clock.monotonic():
            self.probes[name, breaker.register.failures] += breaker.state is State.OPEN
            call = breaker.begin_probe()
            breaker.probe_passed(call) if works else breaker.probe_failed(call, DOWN)
        if name not in self.idle:
            for _ in range(breaker.free):
                self.calls[name] += 1
                call = breaker.begin()
                breaker.passed(call) if works else breaker.failed(call, DOWN)

    def probed(self):
        """How many probes each period has had."""
        periods = Counter()
        for (_, failures), number in self.probes.items():
            periods[failures] += number
        return periods


def always(_now, _name):
    return True


def never(_now, _name):
    return False


@pytest.mark.parametrize("size", [1, 2, 4, 9])
@pytest.mark.parametrize("seed", range(3))
def test_one_probe_in_each_period_while_it_is_down_and_all_go_on_when_it_is_back(size, seed):
    fleet = Fleet(size, seed=seed)
    fleet.run(5, always)
    fleet.run(3, never)
    assert fleet.states == {State.OPEN}
    fleet.probes.clear()
    fleet.run(300, never)
    assert set(fleet.probed().values()) == {1}
    calls = fleet.calls.copy()
    fleet.run(300, never)
    assert fleet.calls == calls, "nothing but probes"
    fleet.run(OPTIONS["breaker_probe_max_s"] + 3, always)
    assert fleet.states == {State.CLOSED}
    fleet.run(1, always)
    assert all(fleet.calls[name] - calls[name] >= 2 / STEP_S for name in fleet.names)


def test_an_idle_fleet_comes_back_too():
    fleet = Fleet(4, idle={"p1", "p2", "p3"})
    fleet.run(60, never)
    fleet.idle.add("p0")
    fleet.run(60, always)
    assert fleet.states == {State.CLOSED}


def test_without_presence_each_probes_once_a_period_and_goes_on_by_itself():
    fleet = Fleet(4, presence=False)
    fleet.run(60, never)
    assert set(fleet.probes.values()) <= {0, 1}
    fleet.run(60, always)
    assert fleet.states == {State.CLOSED}


@pytest.mark.parametrize("blind", ["p0", "p1", "p2", "p3"])
def test_a_process_that_alone_cannot_reach_the_target_stops_no_other(blind):
    fleet = Fleet(4)
    fleet.run(10, always)
    before = fleet.calls.copy()
    fleet.run(120, lambda _, name: name != blind)
    rates = {name: (fleet.calls[name] - before[name]) / 120 * STEP_S / 2 for name in fleet.names}
    assert rates.pop(blind) < 0.2
    assert min(rates.values()) > 0.8
    fleet.run(60, always)
    assert fleet.states == {State.CLOSED}


@pytest.mark.parametrize("period_s", [1.0, 2.5, 7.0])
def test_a_target_that_flaps_is_called_less_and_never_for_good_left_alone(period_s):
    def flaps(now, _name):
        return int(now / period_s) % 2 == 0

    fleet = Fleet(4)
    fleet.run(600, flaps)
    assert max(fleet.probed().values()) <= 600
    calls = sum(fleet.calls.values())
    assert 0 < calls < 4 * 2 * 600 / STEP_S
    fleet.run(60, always)
    assert fleet.states == {State.CLOSED}


def test_half_of_the_fleet_may_be_replaced_at_any_time():
    fleet = Fleet(4)
    fleet.run(60, never)
    for name in ("p0", "p1"):
        fresh = Ringside(name, slots=2, **OPTIONS)[name]
        fresh._clock = fleet.ring.clock
        fresh.hear(fleet.ring["p2"].register)
        fleet.ring.breakers[name] = fresh
    calls = fleet.calls.copy()
    fleet.probes.clear()
    fleet.run(120, never)
    assert set(fleet.probed().values()) == {1}
    assert fleet.calls == calls
    fleet.run(30, always)
    assert fleet.states == {State.CLOSED}
