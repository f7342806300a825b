"""Starting, keeping and stopping the private services, as processes."""

from __future__ import annotations

import os
import signal

import pytest

from syncpipe.embedded import find
from tests.acceptance.processes import PATIENCE_S, living, read_until, run, started
from tests.patience import eventually


def test_up_checks_every_row_and_leaves_nothing_running(place):
    for _ in range(2):  # what the first run leaves does not disturb the second
        done = run("up", "--ops", 500, cwd=place)
        assert done.returncode == 0, done.stderr
        assert "lost 0, mismatches 0: every row is right" in done.stdout
        assert "What to try next" in done.stdout
        eventually(lambda: not living(place), within_s=PATIENCE_S)
        assert not (place / ".syncpipe/syncpipe.toml").exists()


@pytest.mark.parametrize("arguments", [(), ("--keep",)], ids=["attached", "kept"])
def test_an_interrupted_up_leaves_nothing_running(place, arguments):
    with started("up", "--ops", 1_000_000, *arguments, cwd=place) as process:
        read_until(process.stderr, "sent 10,000")
        assert living(place)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    eventually(lambda: not living(place), within_s=PATIENCE_S)


def test_an_up_that_is_interrupted_while_it_starts_leaves_nothing_running(place):
    with started("up", "--keep", cwd=place) as process:
        eventually((place / ".syncpipe/keeper.log").exists)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 143
    eventually(lambda: not living(place), within_s=PATIENCE_S)


def test_what_runs_already_is_left_alone(kept):
    before = kept.services
    refused = kept("up", status=1)
    assert "SP-E606" in refused.stderr
    assert "syncpipe down" in refused.stderr
    assert kept.services == before
    kept("status")


def test_workers_whose_services_were_killed_are_stopped_too(place):
    assert run("up", "--keep", "--ops", 1, "--processes", 1, cwd=place).returncode == 0
    os.kill(find(place / ".syncpipe").record.keeper.pid, signal.SIGKILL)
    assert run("down", cwd=place).stderr == "Stopped.\n"
    eventually(lambda: not living(place), within_s=PATIENCE_S)


def test_down_stops_everything_and_may_be_repeated(place):
    assert run("up", "--keep", "--ops", 1, "--processes", 1, cwd=place).returncode == 0
    assert living(place)
    assert run("down", cwd=place).returncode == 0
    eventually(lambda: not living(place), within_s=PATIENCE_S)
    again = run("down", cwd=place)
    assert (again.returncode, again.stderr) == (0, "Nothing is running.\n")
