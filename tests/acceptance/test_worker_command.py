"""``syncpipe worker`` as people run it: real processes, real signals; no server is needed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import pytest

from syncpipe.supervisor import ProcessId
from tests.patience import eventually

STARTED = re.compile(r"syncpipe: (\S+) started \(pid (\d+)\)")


@pytest.fixture
def configuration(tmp_path):
    """One target and a broker that never answer: workers wait for them, as in an outage."""
    path = tmp_path / "syncpipe.toml"
    path.write_text(
        f'[broker]\nurl = "redis+socket://{tmp_path}/nobody.sock"\n'
        f'[targets.crm]\ntype = "postgres"\ndsn = "host={tmp_path}"\nconnect_timeout_s = 1\n'
        "[worker]\ndrain_timeout_s = 1\n",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def crew(configuration, tmp_path):
    """Start ``syncpipe worker`` with the configuration; its stderr goes to a file."""
    notes = tmp_path / "notes"
    started = []

    def start(*arguments):
        with notes.open("wb") as stderr:
            command = [sys.executable, "-m", "syncpipe.cli", "worker", "--name", "w"]
            process = subprocess.Popen(
                [*command, "--config", str(configuration), *arguments],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=tmp_path,
            )
        started.append(process)
        return process, notes

    yield start
    for process in started:
        process.kill()
        process.wait()


def started_workers(notes):
    """Name and process of every start so far."""
    found = STARTED.findall(notes.read_text(encoding="utf-8"))
    return [(name, ProcessId.of(int(pid))) for name, pid in found]


def await_starts(notes, count):
    """Name and process of the first *count* starts, as soon as there are so many."""
    eventually(lambda: len(started_workers(notes)) >= count)
    return started_workers(notes)[:count]


def test_a_killed_worker_is_started_again_under_its_name(crew):
    _, notes = crew("--processes", "2")
    workers = await_starts(notes, 2)
    assert sorted(name for name, _ in workers) == ["w-1", "w-2"]
    name, victim = workers[0]
    victim.signal(signal.SIGKILL)
    _, _, (restarted, process) = await_starts(notes, 3)
    assert restarted == name
    assert process.pid != victim.pid


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_workers_and_is_no_failure(crew, signum):
    process, notes = crew("--processes", "2")
    workers = await_starts(notes, 2)
    process.send_signal(signum)
    assert process.wait(timeout=120) == 0
    assert not any(worker.alive() for _, worker in workers)


def test_no_worker_outlives_a_killed_supervisor(crew):
    process, notes = crew("--processes", "2")
    workers = await_starts(notes, 2)
    process.kill()
    eventually(lambda: not any(worker.alive() for _, worker in workers))


def test_a_broken_configuration_starts_nothing(crew, configuration):
    configuration.write_text("shard = 1", encoding="utf-8")
    process, notes = crew("--processes", "2")
    assert process.wait(timeout=120) == 1
    text = notes.read_text(encoding="utf-8")
    assert "There is no key 'shard' here." in text
    assert "started" not in text


def test_workers_that_all_refuse_are_not_tried_for_ever(crew, configuration):
    configuration.write_text("shards = 8", encoding="utf-8")
    process, notes = crew("--processes", "2")
    assert process.wait(timeout=120) == 1
    text = notes.read_text(encoding="utf-8")
    assert "No target is declared" in text
    assert re.search("Error SP-E604: All workers refuse to start: .*No target is declared", text)
