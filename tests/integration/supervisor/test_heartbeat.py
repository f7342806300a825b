"""A process that gives no sign of life any more is killed and comes back."""

from __future__ import annotations

import os
import signal
import sys
import textwrap

import pytest

from syncpipe.supervisor import Command, Heartbeat, Lives, Supervisor, leave_last_words
from tests.patience import eventually

#: Touches its heartbeat, tells what was handed over to it, and, once it has been found ready, does
#: what it is told.
PROGRAM = """
    import ctypes, os, sys, time
    from pathlib import Path
    from syncpipe.supervisor import Lives, keep_touching, leave_last_words
    *paths, order = sys.argv[1:]
    beat, lives, found = map(Path, paths)
    told, before = Lives.read(beat), beat.stat().st_mtime_ns
    keep_touching(beat)
    while beat.stat().st_mtime_ns == before:
        time.sleep(0.01)
    with lives.open("a") as file:
        print(told, file=file)
    while not found.exists():
        time.sleep(0.01)
    if order == "exit":
        sys.exit(75)
    if order == "say":
        leave_last_words(beat, "I will not.")
        sys.exit(78)
    if order == "hang":
        # Called without giving up the interpreter lock, so that no thread runs any more.
        ctypes.PyDLL(None).sleep(1000)
    time.sleep(1000)
"""


#: Longest wait for another life; reached only when something is broken.
PATIENCE_S = 120.0


class Ward:
    """A supervised program, and what was heard of it."""

    def __init__(self, folder, order, *, timeout_s=4.0):
        self.events = []
        self.lives = folder / "lives"
        self.beat = folder / "beat"
        self.found = folder / "found"
        paths = map(str, (self.beat, self.lives, self.found))
        program = ("-c", textwrap.dedent(PROGRAM), *paths, order)
        self.command = Command(
            "ward",
            (sys.executable, *program),
            ready=lambda: self.lives.exists() and bool(self.told()),
            heartbeat=Heartbeat(self.beat, timeout_s),
            stalled_status=75,
        )
        self.supervisor = Supervisor(on_event=self.events.append)

    def kinds(self):
        return [event.kind for event in self.events]

    def stalled(self):
        return [event for event in self.events if event.kind == "stalled"]

    def told(self):
        """What the lives so far were told."""
        return self.lives.read_text(encoding="utf-8").split("\n")[:-1]


@pytest.fixture
def ward(tmp_path):
    made = []

    def make(order="", **options):
        ward = Ward(tmp_path, order, **options)
        made.append(ward)
        ward.supervisor.start(ward.command)
        ward.found.touch()
        return ward

    yield make
    for each in made:
        each.supervisor.stop()


def test_a_stopped_process_is_killed_and_comes_back(ward):
    each = ward()
    first = each.supervisor.pids()["ward"]
    os.kill(first, signal.SIGSTOP)
    eventually(lambda: each.supervisor.pids()["ward"] not in {first, None}, within_s=PATIENCE_S)
    assert each.stalled()[0].pid == first
    eventually(lambda: len(each.told()) > 1, within_s=PATIENCE_S)
    # A process is there a moment before it is told of.
    eventually(lambda: len(each.kinds()) >= 5)
    assert each.kinds()[:5] == ["started", "stalled", "ended", "restarting", "started"]
    assert each.told()[:2] == [str(Lives(0, 0)), str(Lives(1, 1))]


def test_one_that_holds_the_interpreter_is_killed_and_comes_back(ward):
    each = ward("hang")
    eventually(lambda: len(each.told()) > 1, within_s=PATIENCE_S)
    assert each.stalled()
    assert each.told()[1] == str(Lives(1, 1))


def test_one_that_touches_is_left_alone(ward):
    each = ward(timeout_s=PATIENCE_S)
    before = each.beat.stat().st_mtime_ns
    seen = set()

    def touched_often():
        seen.add(each.beat.stat().st_mtime_ns)
        return len(seen - {before}) >= 4

    eventually(touched_often, within_s=PATIENCE_S)
    assert each.kinds() == ["started"]


def test_one_that_says_so_itself_is_counted(ward):
    each = ward("exit", timeout_s=PATIENCE_S)
    eventually(lambda: len(each.told()) > 2, within_s=PATIENCE_S)
    assert each.told()[:3] == [str(Lives(0, 0)), str(Lives(1, 1)), str(Lives(2, 2))]
    assert each.kinds()[:4] == ["started", "ended", "stalled", "restarting"]


def test_what_it_says_at_its_end_is_heard(ward):
    each = ward("say", timeout_s=PATIENCE_S)
    eventually(lambda: each.kinds().count("ended") > 1, within_s=PATIENCE_S)
    ended = [event for event in each.events if event.kind == "ended"]
    assert {event.reason for event in ended} == {"I will not."}


def test_what_an_earlier_life_said_is_not_heard_again(tmp_path):
    heartbeat = Heartbeat(tmp_path / "beat")
    assert heartbeat.take_last_words() is None
    leave_last_words(heartbeat.path, "I will not.")
    assert heartbeat.take_last_words() == "I will not."
    assert heartbeat.take_last_words() is None


def test_a_death_of_another_kind_is_no_stall(ward):
    each = ward(timeout_s=PATIENCE_S)
    os.kill(each.supervisor.pids()["ward"], signal.SIGKILL)
    eventually(lambda: len(each.told()) > 1, within_s=PATIENCE_S)
    assert each.told()[1] == str(Lives(1, 0))


def test_a_silent_process_that_is_asked_to_stop_has_its_grace(tmp_path):
    log, beat = tmp_path / "log", tmp_path / "beat"
    events = []
    heartbeat = Heartbeat(beat, timeout_s=0.3)
    # Its first touch, from which on it is silent, is the answer to being asked.
    answer = f"touch {beat}; sleep 1; exit 0"
    silent = ("sh", "-c", f"trap '{answer}' TERM; echo stands; while :; do sleep 0.1; done")
    command = Command(
        "silent",
        silent,
        log=log,
        ready=lambda: log.exists() and "stands" in log.read_text(encoding="utf-8"),
        heartbeat=heartbeat,
        grace_s=60.0,
    )
    with Supervisor(on_event=events.append) as supervisor:
        supervisor.start(command)
    assert [event.kind for event in events] == ["started", "ended"]
    assert events[-1].status == 0


def test_without_a_directory_for_its_heartbeat_a_process_runs_unwatched(tmp_path):
    events = []
    command = Command(
        "free",
        ("sleep", "1"),
        ready_timeout_s=0.2,
        heartbeat=Heartbeat(tmp_path / "gone" / "beat", timeout_s=0.2),
        restart=False,
    )
    with Supervisor(on_event=events.append) as supervisor:
        supervisor.start(command)
        assert supervisor.wait(60)
    assert [event.kind for event in events] == ["started", "ended"]
