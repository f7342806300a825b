"""Calls and probes that do not end, and outages that do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import State, unpack
from tests.unit.resilience.breakers import DOWN, Ringside


@pytest.fixture
def ring():
    return Ringside()


def test_a_call_that_does_not_end_is_a_timeout(ring):
    call = ring["a"].begin()
    ring.clock.advance(230)
    ring["a"].tick()
    assert ring["a"].state is State.CLOSED
    assert ring["a"].wakes(leads=True) == pytest.approx(ring.clock.monotonic() + 10)
    ring.clock.advance(10)
    ring["a"].tick()
    assert (ring["a"].state, ring["a"].register.code) == (State.OPEN, 501)
    ring["a"].passed(call)
    assert ring["a"].state is State.OPEN


def test_a_call_that_does_not_end_says_nothing_while_others_pass(ring):
    ring["a"].begin()
    ring.clock.advance(1)
    ring["a"].begin()
    ring.clock.advance(80)
    ring.succeed()
    ring.clock.advance(3600)
    assert ring["a"].wakes(leads=True) is None
    ring["a"].tick()
    assert ring["a"].state is State.CLOSED
    ring["a"].begin()  # nothing has passed since
    ring.clock.advance(240)
    ring["a"].tick()
    assert ring["a"].state is State.OPEN


def without_a_message():
    """Two processes that may try, have nothing to try with, and wait for the next probe."""
    ring = Ringside("a", "b")
    ring.let_one_try()
    ring.clock.advance(1.1)
    ring["a"].tick()
    ring.share()
    ring.wait()
    return ring


def test_a_probe_that_never_ends_is_forgotten_when_others_have_opened():
    ring = without_a_message()
    lost = ring["a"].begin_probe()
    ring.fail("b")
    ring["a"].hear(ring["b"].register)
    ring.clock.advance(60)
    ring["a"].tick()
    assert ring["a"].state is State.OPEN
    assert ring["a"].probe_due(leads=True) is not None
    ring["a"].probe_passed(lost)
    assert ring["a"].state is State.OPEN
    ring.probe()
    assert ring["a"].state is State.HALF_OPEN


def test_a_probe_that_never_ends_does_not_open_what_others_have_closed():
    ring = without_a_message()
    ring["a"].begin_probe()
    ring.succeed("b", times=3)
    ring["a"].hear(ring["b"].register)
    assert ring["a"].state is State.CLOSED
    ring.clock.advance(60)
    ring["a"].tick()
    assert ring["a"].state is State.CLOSED


def test_in_an_outage_of_weeks_all_know_the_same_number_of_failures(ring):
    ring.open()
    ring["a"].register = replace(ring["a"].register, failures=2**16 - 2)
    told = []
    for _ in range(3):
        ring.probe(error=DOWN)
        told.append(ring["a"].register.failures)
        assert unpack(ring["a"].register.pack()) == ring["a"].register
        assert ring["a"].register.period_ms >= 10_000
    assert told == [2**16 - 1, 2**15, 2**15 + 1]


def test_a_probe_that_does_not_end_has_failed_and_its_end_says_nothing(ring):
    ring.open()
    ring.wait()
    hanging = ring["a"].begin_probe()
    ring.clock.advance(ring["a"].wakes(leads=True) - ring.clock.monotonic() + 0.001)
    ring["a"].tick()
    assert (ring["a"].state, ring["a"].register.failures) == (State.OPEN, 2)
    ring.wait()
    another = ring["a"].begin_probe()
    ring["a"].probe_passed(hanging)
    assert ring["a"].state is State.OPEN
    assert ring["a"].probe_due(leads=True) is None
    ring["a"].probe_passed(another)
    assert ring["a"].state is State.HALF_OPEN


def test_what_people_want_is_not_changed_by_a_call_that_hangs(ring):
    ring["a"].begin()
    ring["a"].obey(Hold.CLOSED)
    ring.clock.advance(3600)
    ring["a"].tick()
    assert ring["a"].state is State.CLOSED
