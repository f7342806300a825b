from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncpipe.supervisor import Heartbeat, Lives, Silence
from syncpipe.supervisor.heartbeat import Pulse
from syncpipe.testing.clock import FakeClock

HEARTBEAT = Heartbeat(Path("beat"), timeout_s=30.0)
START_S = 60.0


class Watched:
    """A program that is looked at once a second."""

    def __init__(self):
        self.clock = FakeClock()
        self.touched_ns = 1_000
        self.pulse = Pulse(HEARTBEAT, START_S, self.touched_ns)

    def touch(self, ns=1):
        self.touched_ns += ns

    def stalls_within(self, seconds):
        """Look for so long; return the second at which it had stalled, None if it did not."""
        for second in range(1, seconds + 1):
            self.clock.advance(1.0)
            if self.pulse.stalled(self.touched_ns, self.clock.monotonic()):
                return second
        return None

    def begin(self):
        self.touch()
        assert self.stalls_within(1) is None


@pytest.fixture
def watched():
    return Watched()


def test_one_that_touches_is_left_alone(watched):
    for _ in range(100):
        watched.touch()
        assert watched.stalls_within(20) is None


def test_one_that_falls_silent_has_stalled_after_the_timeout(watched):
    watched.begin()
    assert watched.stalls_within(100) == 30


def test_one_that_was_never_seen_may_be_starting(watched):
    assert watched.stalls_within(200) == pytest.approx(START_S + 30, abs=1)


@pytest.mark.parametrize("ns", [-(10**18), 10**18, -1])
def test_a_clock_that_jumps_means_nothing(watched, ns):
    watched.begin()
    assert watched.stalls_within(20) is None
    watched.touch(ns)
    assert watched.stalls_within(29) is None
    watched.touch()
    assert watched.stalls_within(29) is None


def test_a_machine_that_was_suspended_is_given_time_to_show_itself(watched):
    watched.begin()
    assert watched.stalls_within(20) is None
    watched.clock.advance(3600)
    assert watched.stalls_within(1) is None
    watched.touch()
    assert watched.stalls_within(29) is None


def test_a_watcher_that_is_rarely_awake_needs_several_looks(watched):
    watched.begin()
    looks = 0
    while not watched.stalls_within(1):
        watched.clock.advance(600)
        looks += 1
    assert looks >= 10


def test_a_file_that_cannot_be_seen_says_nothing(watched):
    watched.begin()
    watched.touched_ns = None
    assert watched.stalls_within(200) is None


def test_looks_are_frequent_enough_for_a_short_timeout():
    assert HEARTBEAT.look_s == 1.0
    assert Heartbeat(Path("beat"), timeout_s=4.0).look_s == pytest.approx(0.4)


def test_silence_ends_with_a_sign_and_begins_anew():
    silence = Silence(2.0)
    seconds = [silence.look(now, sign=now == 3.0) for now in (0.0, 1.0, 2.5, 3.0, 4.0, 104.0)]
    assert seconds == [0.0, 1.0, 2.5, 0.0, 1.0, 3.0]


def test_lives_are_handed_over(tmp_path):
    path = tmp_path / "beat"
    Lives(restarts=3, stalls=1).write(path)
    path.touch()
    assert Lives.read(path) == Lives(restarts=3, stalls=1)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"restarts": [], "stalls": 1}', "\x00"])
def test_garbage_counts_nothing(tmp_path, text):
    path = tmp_path / "beat"
    path.write_text(text, encoding="utf-8")
    assert Lives.read(path) == Lives()


def test_what_is_not_there_counts_nothing_and_was_never_touched(tmp_path):
    assert Lives.read(tmp_path / "none") == Lives()
    assert Heartbeat(tmp_path / "none").touched_ns() is None


def test_a_touch_is_seen(tmp_path):
    heartbeat = Heartbeat(tmp_path / "beat")
    Lives().write(heartbeat.path)
    os.utime(heartbeat.path, ns=(5, 7))
    assert heartbeat.touched_ns() == 7
