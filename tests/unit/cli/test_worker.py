from __future__ import annotations

import sys
from pathlib import Path

import pytest

from syncpipe.app import REFUSED, STALLED
from syncpipe.cli.options import Configuration
from syncpipe.cli.worker import Crew, describe, worker_command
from syncpipe.errors import ChildFailed, QueueMissing
from syncpipe.supervisor import Event, Heartbeat, Lives
from syncpipe.testing.clock import FakeClock

HEARTBEAT = Heartbeat(Path("/tmp/beat"))
#: What every worker gets.
START = (sys.executable, "-m", "workers", "--name", "w-1", "--heartbeat", "/tmp/beat")


def test_a_worker_gets_the_same_configuration():
    configuration = Configuration(Path("/etc/s.toml"), "night", ("a.b=1", "c=2"))
    command = worker_command("w-1", configuration, 30.0, HEARTBEAT)
    assert command.argv == (
        *(*START, "--config", "/etc/s.toml"),
        *("--profile", "night", "--set", "a.b=1", "--set", "c=2"),
    )
    assert command.restart
    assert command.grace_s == 30.0
    assert (command.heartbeat, command.stalled_status) == (HEARTBEAT, STALLED)


def test_without_options_a_worker_searches_like_everybody():
    assert worker_command("w-1", Configuration(None, None, ()), 30.0, HEARTBEAT).argv == START


def refuse(crew, name, reason=None):
    crew.hear(Event("ended", name, 5, REFUSED, reason=reason))


def test_when_all_workers_refuse_the_crew_gives_up():
    clock = FakeClock()
    crew = Crew(["a", "b"], clock.monotonic)
    refuse(crew, "a")
    clock.advance(20)
    refuse(crew, "b")
    with pytest.raises(ChildFailed, match="refuse to start: their log tells"):
        crew.wait_for_refusal()


def test_the_crew_gives_the_reason_of_its_workers():
    crew = Crew(["a"], FakeClock().monotonic)
    refuse(crew, "a", str(QueueMissing("The broker has no queue 'q'.")))
    with pytest.raises(ChildFailed, match=r"SP-E406 .*'q'.*syncpipe migrate"):
        crew.wait_for_refusal()


def test_one_that_refuses_while_others_work_is_tried_again():
    clock = FakeClock()
    crew = Crew(["a", "b"], clock.monotonic)
    refuse(crew, "a")
    crew.hear(Event("ended", "b", 6, -9))
    refuse(crew, "a")
    clock.advance(60)
    refuse(crew, "b")
    assert not crew.all_refused


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event("started", "w-1", 5), "w-1 started (pid 5)"),
        (Event("ended", "w-1", 5, -9), "w-1 ended with status -9 (pid 5)"),
        (
            Event("restarting", "w-1", delay_s=0.1, lives=Lives(restarts=3, stalls=2)),
            "w-1 starts again in 0.1 s (restarts: 3, stalls: 2)",
        ),
        (Event("stalled", "w-1", 5, reason="no sign"), "w-1 has stalled, no sign (pid 5)"),
        (Event("killed", "w-1", 5), "w-1 did not end in time and was killed (pid 5)"),
        (Event("unstartable", "w-1", reason="gone"), "w-1 cannot be started: gone"),
    ],
)
def test_every_event_has_a_line(capsys, event, text):
    assert describe(event) == text
    Crew(["w-1"], lambda: 0.0).hear(event)
    assert capsys.readouterr().err == f"syncpipe: {text}\n"
