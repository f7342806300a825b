"""When the client's own thread looks for work, and who rouses it."""

from __future__ import annotations

import threading

import pytest

from syncpipe.producer import turn as module
from syncpipe.producer.audience import Audience
from syncpipe.producer.turn import Turn
from syncpipe.testing.clock import FakeClock

LINGER_S = 0.005


class Sleeper:
    """A turn whose thread only counts how often it is roused; what waits is due at `due_at`."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.due_at = None
        self.roused = 0
        lock = threading.RLock()
        self.turn = Turn(
            lock,
            clock=self.clock,
            linger_s=LINGER_S,
            audience=Audience(lock),
            due_at=lambda: self.due_at,
            send=lambda: None,
            recover=lambda: None,
        )
        self.turn.thread = threading.Thread()
        self.turn._work.notify_all = self._rouse

    def _rouse(self) -> None:
        self.roused += 1

    def look(self) -> float:
        """Look as the thread does, and sleep for the seconds that are returned."""
        return self.turn._look_in_s()

    def use(self, *, ahead_s: float = LINGER_S) -> None:
        """Have something wait that is due so much later."""
        self.due_at = self.clock.monotonic() + ahead_s
        self.turn.use()

    def flush(self) -> None:
        """Have nothing wait."""
        self.due_at = None

    def trust(self) -> None:
        """Use it, and flush each time before the thread looks, until the naps grow no longer."""
        for _ in range(10):
            self.use()
            self.flush()
            self.clock.advance(self.look())
        self.use()
        self.flush()
        self.look()
        self.roused = 0


@pytest.fixture
def sleeper():
    return Sleeper()


def test_what_becomes_due_between_two_looks_is_not_slept_over(sleeper):
    sleeper.use()
    sleeper.clock.advance(2 * LINGER_S)
    assert sleeper.look() == 0


def test_naps_grow_while_all_flush_by_themselves(sleeper):
    naps = []
    for _ in range(6):
        sleeper.use()
        sleeper.flush()
        naps.append(sleeper.look())
        sleeper.clock.advance(naps[-1])

    assert naps == pytest.approx([0.005, 0.01, 0.02, 0.04, module._NAP_S, module._NAP_S])


def test_who_has_flushed_so_far_rouses_nobody(sleeper):
    sleeper.trust()

    sleeper.use()

    assert sleeper.roused == 0


def test_what_nobody_flushes_waits_for_one_nap_at_most(sleeper):
    sleeper.trust()
    sleeper.use()
    sleeper.clock.advance(LINGER_S)
    sleeper.look()
    sleeper.flush()

    sleeper.turn._used = True
    assert sleeper.look() == pytest.approx(LINGER_S)


@pytest.mark.parametrize("ahead_s", [0.0, -1.0])
def test_what_is_due_at_once_rouses_whoever_naps(sleeper, ahead_s):
    sleeper.trust()

    sleeper.use(ahead_s=ahead_s)

    assert sleeper.roused == 1


def test_one_that_overslept_is_roused(sleeper):
    sleeper.trust()
    sleeper.clock.advance(2 * module._NAP_S)

    sleeper.use()

    assert sleeper.roused == 1


def test_one_that_was_not_needed_is_roused_by_the_next_use(sleeper):
    sleeper.trust()
    sleeper.clock.advance(module._NAP_S)
    sleeper.look()

    sleeper.use()

    assert sleeper.roused == 1


def test_a_thread_that_has_ended_is_not_trusted_in(sleeper, monkeypatch):
    started = []
    monkeypatch.setattr(threading.Thread, "start", lambda _: started.append(True))
    sleeper.trust()
    sleeper.turn.thread = None

    sleeper.use()

    assert started
