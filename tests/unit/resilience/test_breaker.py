from __future__ import annotations

import pytest
from pybreaker import CircuitBreakerListener

from syncpipe.errors import TargetBusy, TargetMisconfigured
from syncpipe.resilience.breaker import LATE_S, TRIAL_S
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State
from tests.unit.resilience.breakers import DOWN, Ringside


@pytest.fixture
def ring():
    return Ringside()


def test_it_opens_after_so_many_failures_in_a_row(ring):
    ring.fail(times=4)
    ring.succeed()
    ring.fail(times=4)
    assert (ring["a"].state, ring["a"].free, ring["a"].claims) == (State.CLOSED, 4, True)
    ring.fail()
    assert (ring["a"].state, ring["a"].free, ring["a"].claims) == (State.OPEN, 0, False)
    assert ring["a"].why == str(DOWN)
    register = ring["a"].register
    assert (register.state, register.failures, register.code) == (State.OPEN, 1, 501)


def test_calls_that_run_side_by_side_and_fail_together_count_once(ring):
    for _ in range(4):
        calls = [ring["a"].begin() for _ in range(4)]
        ring.clock.advance(0.1)
        for call in calls:
            ring["a"].failed(call, DOWN)
            ring.clock.advance(0.01)
    assert ring["a"].state is State.CLOSED
    ring.fail()
    assert ring["a"].state is State.OPEN


def test_one_timeout_is_enough_but_not_for_a_target_that_was_busy_for_so_long(ring):
    ring.fail(error=TargetBusy("locked"), took_s=5)
    assert ring["a"].state is State.CLOSED
    ring.fail(took_s=3)
    assert ring["a"].state is State.OPEN


def test_it_opens_when_too_large_a_share_of_enough_calls_fails():
    ring = Ringside(breaker_min_calls=10, breaker_failure_ratio=0.5, breaker_failures=99)
    for _ in range(4):
        ring.succeed()
        ring.fail()
    assert ring["a"].state is State.CLOSED
    ring.succeed()
    ring.fail()
    assert ring["a"].state is State.OPEN


def test_the_share_is_of_the_last_while_only():
    ring = Ringside(breaker_min_calls=10, breaker_failures=99, breaker_window_s=30)
    ring.fail(times=9)
    ring.clock.advance(30)
    ring.succeed(times=9)
    ring.fail(times=8)
    assert ring["a"].state is State.CLOSED


def test_it_opens_when_nearly_every_call_is_slow():
    ring = Ringside(breaker_min_calls=5, breaker_slow_s=1, breaker_window_s=60)
    ring.succeed(times=4, took_s=1)
    assert ring["a"].state is State.CLOSED
    ring.succeed(took_s=1)
    assert (ring["a"].state, ring["a"].register.code) == (State.OPEN, 0)


def test_periods_double_with_jitter_up_to_the_longest():
    ring = Ringside(breaker_probe_s=1, breaker_probe_max_s=60)
    ring.open()
    for failures in range(10):
        ceiling_s = min(60, 2**failures)
        began = ring.clock.monotonic()
        ring.wait()
        assert ceiling_s / 2 <= ring.clock.monotonic() - began - 0.001 <= ceiling_s
        ring.probe(error=DOWN)


def test_after_a_probe_that_passes_slots_double_with_each_call_until_it_closes(ring):
    ring.open()
    ring.probe()
    seen = []
    while ring["a"].state is not State.CLOSED:
        seen.append((ring["a"].state, ring["a"].free, ring["a"].small))
        ring.succeed()
    assert seen == [(State.HALF_OPEN, 1, True), (State.HALF_OPEN, 2, False)]
    assert (ring["a"].free, ring["a"].register.failures) == (4, 0)


def test_with_a_single_slot_one_small_call_decides():
    ring = Ringside(slots=1)
    assert not ring["a"].small
    ring.open()
    ring.probe()
    assert (ring["a"].free, ring["a"].small) == (1, True)
    ring.succeed()
    assert ring["a"].state is State.CLOSED


def test_one_failure_opens_it_again_while_it_is_half_open(ring):
    ring.open()
    ring.probe()
    ring.fail()
    assert (ring["a"].state, ring["a"].register.failures) == (State.OPEN, 2)


def test_calls_that_began_before_it_opened_say_nothing_afterwards(ring):
    late, later = ring["a"].begin(), ring["a"].begin()
    ring.fail(took_s=3)
    ring["a"].passed(late)
    assert ring["a"].state is State.OPEN
    ring.probe()
    ring["a"].failed(later, DOWN)
    assert (ring["a"].state, ring["a"].free) == (State.HALF_OPEN, 1)


def test_only_the_prober_tries_after_its_probe_and_then_all():
    ring = Ringside("a", "b")
    ring.open()
    ring.share()
    assert ring["b"].state is State.OPEN
    ring.probe()
    ring.share()
    assert (ring["a"].free, ring["b"].state) == (1, State.OPEN)
    ring.succeed()
    ring.share()
    assert (ring["b"].state, ring["b"].free) == (State.HALF_OPEN, 1)
    ring.succeed("b", times=2)
    ring.share()
    assert {ring[name].state for name in "ab"} == {State.CLOSED}


def test_a_prober_without_a_message_soon_lets_all_try():
    ring = Ringside("a", "b")
    ring.let_one_try()
    assert ring["a"].wakes(leads=True) == ring.clock.monotonic() + TRIAL_S
    ring.clock.advance(TRIAL_S)
    ring["a"].tick()
    ring.share()
    assert ring["b"].state is State.HALF_OPEN


def test_a_trial_that_fails_concerns_nobody_else():
    ring = Ringside("a", "b")
    ring.let_one_try()
    ring.fail(error=TargetMisconfigured("no table"))
    ring.share()
    assert (ring["b"].state, ring["b"].register.failures) == (State.OPEN, 2)


def test_an_idle_target_is_closed_by_probes(ring):
    ring.open()
    ring.probe()
    ring.clock.advance(TRIAL_S)
    ring["a"].tick()
    assert ring["a"].probe_due(leads=False) is None
    ring.probe()
    ring.probe()
    assert ring["a"].state is State.CLOSED


def test_who_does_not_lead_probes_only_when_that_is_very_late():
    ring = Ringside("a", "b")
    ring.open()
    ring.share()
    period_s = ring["a"].register.period_ms / 1000
    due = ring["b"].probe_due(leads=False)
    assert due == pytest.approx(ring.clock.monotonic() + 2 * period_s + LATE_S)
    assert ring["b"].probe_due(leads=True) == pytest.approx(ring.clock.monotonic() + period_s)


def test_one_probe_at_a_time(ring):
    ring.open()
    ring.wait()
    call = ring["a"].begin_probe()
    assert ring["a"].probe_due(leads=True) is None
    ring["a"].probe_failed(call, DOWN)
    assert ring["a"].probe_due(leads=True) > ring.clock.monotonic()


def test_what_others_found_is_believed_by_who_calls_nothing():
    ring = Ringside("a", "b")
    ring.open()
    ring.share()
    assert (ring["b"].state, ring["b"].claims) == (State.OPEN, False)


def test_who_has_a_call_under_way_waits_for_it_and_begins_no_other():
    ring = Ringside("a", "b")
    call = ring["b"].begin()
    ring.open()
    ring.share()
    assert (ring["b"].state, ring["b"].free, ring["b"].claims) == (State.CLOSED, 0, True)
    ring["b"].failed(call, DOWN)
    assert ring["b"].state is State.OPEN
    assert ring["b"].register == ring["a"].register


def test_one_process_that_alone_cannot_reach_the_target_stops_no_other():
    ring = Ringside("a", "b")
    for _ in range(3):
        call = ring["b"].begin()
        ring.open()
        ring.share()
        ring["b"].passed(call)
        ring.share()
        assert (ring["b"].state, ring["b"].free) == (State.CLOSED, 4)
        assert ring["a"].state is State.OPEN
        ring.clock.advance(ring["a"].wakes(leads=False) - ring.clock.monotonic() + 0.001)
        ring["a"].tick()
        assert ring["a"].state is State.CLOSED
    assert ring["a"]._own == 3


def test_who_has_just_seen_a_call_pass_makes_sure_by_one_more():
    ring = Ringside("a", "b")
    for passes in (True, False):
        ring.succeed("b")
        ring.clock.advance(1)
        ring.open()
        ring.share()
        assert (ring["b"].state, ring["b"].free, ring["b"].small) == (State.CLOSED, 1, True)
        if passes:
            ring.succeed("b")
            ring.share()
            assert (ring["b"].state, ring["b"].free) == (State.CLOSED, 4)
            ring.clock.advance(ring["a"].wakes(leads=False) - ring.clock.monotonic() + 0.001)
            ring["a"].tick()
    ring.fail("b")
    assert ring["b"].state is State.OPEN
    assert ring["b"].register == ring["a"].register


def test_a_call_that_hangs_is_not_waited_for_when_others_have_opened():
    ring = Ringside("a", "b")
    call = ring["b"].begin()
    ring.open()
    ring.share()
    ring.clock.advance(ring["b"].wakes(leads=False) - ring.clock.monotonic())
    ring["b"].tick()
    assert ring["b"].state is State.OPEN
    ring["b"].passed(call)
    assert ring["b"].state is State.OPEN


def test_who_starts_during_an_outage_waits_like_the_others():
    ring = Ringside("a")
    ring.open()
    late = Ringside("b")["b"]
    late.hear(ring["a"].register)
    assert late.state is State.OPEN


def test_people_win_over_whatever_the_target_does(ring):
    ring["a"].obey(Hold.OPEN)
    assert (ring["a"].free, ring["a"].claims, ring["a"].wakes(leads=True)) == (0, False, None)
    ring["a"].obey(Hold.CLOSED)
    ring.fail(times=50, took_s=3)
    assert (ring["a"].free, ring["a"].claims, ring["a"].state) == (4, True, State.CLOSED)
    ring["a"].hear(Register(number=99, state=State.OPEN, period_ms=1000))
    assert (ring["a"].free, ring["a"].claims) == (4, True)


def test_when_people_want_nothing_more_a_target_that_was_open_is_probed_at_once(ring):
    ring.open()
    ring["a"].obey(Hold.OPEN)
    assert ring["a"].probe_due(leads=True) is None
    ring["a"].obey(Hold.NONE)
    assert ring["a"].probe_due(leads=True) == ring.clock.monotonic()


def test_when_people_want_nothing_more_calls_begin_one_at_a_time(ring):
    ring["a"].obey(Hold.OPEN)
    ring["a"].obey(Hold.NONE)
    assert (ring["a"].free, ring["a"].small, ring["a"].claims) == (1, True, True)


def test_what_others_said_while_people_kept_it_closed_counts_afterwards(ring):
    ring["a"].obey(Hold.CLOSED)
    ring["a"].hear(Register(number=99, state=State.OPEN, period_ms=1000))
    ring["a"].obey(Hold.NONE)
    assert ring["a"].state is State.OPEN
    assert ring["a"].probe_due(leads=True) == ring.clock.monotonic()


def test_listeners_of_pybreaker_hear_of_everything(ring):
    heard = []

    class Listener(CircuitBreakerListener):
        def failure(self, cb, exc):
            heard.append((cb.name, "failure", exc))

        def success(self, cb):
            heard.append((cb.name, "success", cb.fail_counter))

        def state_change(self, cb, old_state, new_state):
            heard.append((cb.name, old_state.name, new_state.name))

    ring["a"].circuit.add_listener(Listener())
    ring.fail(took_s=3)
    ring.probe(error=DOWN)
    ring.probe()
    ring.succeed(times=2)
    assert heard == [
        ("crm", "failure", DOWN),
        ("crm", "closed", "open"),
        ("crm", "failure", DOWN),
        ("crm", "open", "open"),
        ("crm", "open", "half-open"),
        ("crm", "success", 0),
        ("crm", "half-open", "half-open"),
        ("crm", "success", 0),
        ("crm", "half-open", "closed"),
    ]


def test_the_clock_on_the_wall_may_jump(ring):
    ring.open()
    before = ring["a"].probe_due(leads=True)
    ring.clock.jump(-3600)
    assert ring["a"].probe_due(leads=True) == before
    ring.probe()
    assert ring["a"].state is State.HALF_OPEN
