"""A breaker of a target that was asked too often."""

from __future__ import annotations

import pytest

from syncpipe.resilience.register import State
from tests.unit.resilience.breakers import Ringside


@pytest.fixture
def ring():
    return Ringside()


def test_throttling_never_opens_it_and_waits_for_what_the_target_says(ring):
    for wait_s in (2.0, 7.0):
        ring["a"].throttled(ring["a"].begin(), wait_s)
        assert (ring["a"].state, ring["a"].free) == (State.CLOSED, 0)
        assert ring["a"].claims is (wait_s < 5)
        assert ring["a"].wakes(leads=True) == pytest.approx(ring.clock.monotonic() + wait_s)
        ring.clock.advance(wait_s)
        assert (ring["a"].free, ring["a"].small) == (1, True)


def test_throttling_without_a_word_of_how_long_waits_one_second_more_each_time(ring):
    waits = []
    for _ in range(3):
        calls = [ring["a"].begin(), ring["a"].begin()]
        for call in calls:
            ring["a"].throttled(call, None)
        waits.append(ring["a"].wakes(leads=True) - ring.clock.monotonic())
        ring.clock.advance(waits[-1])
    assert waits == pytest.approx([1, 2, 3])
    ring.succeed()
    ring["a"].throttled(ring["a"].begin(), None)
    assert ring["a"].wakes(leads=True) - ring.clock.monotonic() == pytest.approx(1)


def test_a_throttled_trial_shows_that_the_target_is_there():
    ring = Ringside("a", "b")
    ring.open()
    ring.share()
    ring.probe()
    ring["a"].throttled(ring["a"].begin(), 1.0)
    ring.share()
    assert ring["b"].state is State.HALF_OPEN
