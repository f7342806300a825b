"""What is to be done next for a replay."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.filtering import ALL
from syncpipe.errors import NotPossible
from syncpipe.replay.decision import WINDOW, Change, Send, Wait, decide
from syncpipe.store.replays import Order, Replay, ReplayState, Turn

RUNNING, CANARY, PAUSED = ReplayState.RUNNING, ReplayState.CANARY, ReplayState.PAUSED


def turn(state=RUNNING, *, total=100, sent=0, outcomes=None, **members):
    """A replay with so many letters, which has sent some, with outcomes of these."""
    options = {name: members.pop(name) for name in ("rate", "canary_of") if name in members}
    order = Order(ALL, rate=options.get("rate"), canary=options.get("canary_of", 0))
    outcomes = outcomes or {}
    replay = Replay(
        id="r",
        state=state,
        order=order,
        actor="ann",
        reason="",
        created_ms=0,
        ended_ms=None,
        total=total,
        sent=sent,
        outcomes=outcomes,
    )
    known = {
        "token": "t",
        "replay": replay,
        "next": sent + 1 if sent < total else None,
        "unsent": total - sent,
        "waiting": sent - sum(outcomes.values()),
        "scheduled": 0,
        "canary": max(0, order.canary - sum(outcomes.values())),
        "forgiven": 0,
        "forgiven_dead": 0,
        "behind_s": 10.0,
        "silent_s": 0.0,
    }
    return Turn(**known | members)


def test_everything_is_sent_within_a_window():
    assert decide(turn()) == Send(WINDOW, 100)
    assert decide(turn(total=9000, sent=4000)) == Send(1000, 9000)
    assert decide(turn(total=9000, sent=5000)) == Wait()
    assert decide(turn(total=9000, sent=5000, scheduled=30)) == Send(30, 9000)


def test_it_waits_for_what_is_sent_and_is_finished_then():
    assert decide(turn(sent=100, outcomes={"applied": 99})) == Wait()
    assert decide(turn(sent=100, outcomes={"applied": 100})) == Change(ReplayState.FINISHED)
    assert decide(turn(sent=100, outcomes={"dead": 100})) == Change(ReplayState.FINISHED)


def test_the_canary_goes_first_and_alone():
    assert decide(turn(CANARY, canary_of=5)) == Send(WINDOW, 5)
    assert decide(turn(CANARY, canary_of=5, sent=5)) == Wait()
    assert decide(turn(CANARY, canary_of=5, sent=5, outcomes={"applied": 4})) == Wait()
    assert decide(turn(CANARY, canary_of=5, sent=5, outcomes={"applied": 5})) == Change(RUNNING)


def test_the_canary_stops_it_from_its_first_outcome_on():
    stopped = decide(turn(CANARY, canary_of=5, sent=5, outcomes={"too_late": 1}))
    assert stopped == Change(PAUSED, "of the canary, 1 of 1 are dead again (100%), more than 5%")


def test_too_many_dead_stop_it_from_20_outcomes_on():
    assert decide(turn(sent=50, outcomes={"dead": 19})) == Send(WINDOW - 31, 100)
    assert decide(turn(sent=50, outcomes={"dead": 1, "superseded": 19})) == Send(WINDOW - 30, 100)
    assert decide(turn(sent=50, outcomes={"dead": 2, "expired": 18})) == Change(
        PAUSED, "2 of 20 are dead again (10%), more than 5%"
    )


def test_what_died_before_it_was_resumed_does_not_count():
    outcomes = {"dead": 30, "applied": 20}
    assert isinstance(decide(turn(sent=60, outcomes=outcomes)), Change)
    forgiving = turn(sent=60, outcomes=outcomes, forgiven=40, forgiven_dead=30)
    assert isinstance(decide(forgiving), Send)


@pytest.mark.parametrize(
    ("rate", "behind_s", "most"),
    [(100.0, 0.5, 50), (100.0, 60.0, 100), (0.1, 5.0, 0), (0.1, 10.0, 1), (0.1, 3600.0, 1)],
)
def test_a_rate_is_kept_and_little_is_made_up_for(rate, behind_s, most):
    decision = decide(turn(rate=rate, behind_s=behind_s))
    assert decision == (Send(most, 100) if most else Wait())


def test_what_is_over_is_counted_once_nothing_is_on_its_way():
    cancelled = turn(ReplayState.CANCELLED, sent=10, outcomes={"applied": 9})
    assert decide(cancelled) == Wait()
    assert decide(replace(cancelled, waiting=0)) == Change(ReplayState.CANCELLED)
    finished = turn(ReplayState.FINISHED, sent=100, outcomes={"applied": 100})
    assert decide(finished) == Change(ReplayState.FINISHED)


@given(
    total=st.integers(1, 20_000),
    sent=st.integers(0, 20_000),
    dead=st.integers(0, 100),
    well=st.integers(0, 20_000),
    canary=st.integers(0, 50),
    rate=st.none() | st.floats(0.01, 10_000),
    behind_s=st.floats(0, 1000),
)
def test_it_never_sends_too_much_and_never_gets_stuck(
    total, sent, dead, well, canary, rate, behind_s
):
    sent = min(sent, total, canary) if canary else min(sent, total)
    dead = min(dead, sent)
    outcomes = {"dead": dead, "applied": min(well, sent - dead)}
    state = CANARY if canary else RUNNING
    members = {"canary_of": canary, "rate": rate, "behind_s": behind_s}
    members["canary"] = min(canary, total) - sum(outcomes.values()) if canary else 0
    asked = turn(state, total=total, sent=sent, outcomes=outcomes, **members)
    match decide(asked):
        case Send(most, last):
            assert 0 < most <= WINDOW - asked.waiting
            assert asked.next <= last <= (canary or total)
            assert rate is None or most <= max(1, rate + 1e-6)
        case Wait():
            assert asked.waiting or rate
        case Change(new):
            assert new is not state


@pytest.mark.parametrize(
    "mistake",
    [
        {"limit": 0},
        {"rate": 0.0},
        {"rate": float("inf")},
        {"rate": float("nan")},
        {"canary": -1},
        {"stop_on_error_rate": 1.5},
        {"stop_on_error_rate": float("nan")},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(mistake):
    with pytest.raises(NotPossible):
        Order(ALL, **mistake)
