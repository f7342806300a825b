"""What the trials with frozen workers rest on: a process that is stopped, and one that is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.chaos.processes import is_stopped, states, stop
from tests.patience import eventually

THREADS = """
import threading
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("up", flush=True)
threading.Event().wait()
"""


@pytest.fixture
def process():
    with subprocess.Popen([sys.executable, "-c", THREADS], stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"up\n"
        yield running
        running.kill()


def test_a_process_that_runs_is_not_stopped(process):
    assert len(states(process.pid)) == 4
    assert not is_stopped(process.pid)


def test_a_process_is_stopped_with_all_its_threads(process):
    assert stop(process.pid)
    assert states(process.pid) == "TTTT"
    os.kill(process.pid, signal.SIGCONT)
    eventually(lambda: "T" not in states(process.pid))
    assert not is_stopped(process.pid)


def test_a_process_that_is_gone_is_not_stopped(process):
    assert stop(process.pid)
    process.kill()
    process.wait()
    assert states(process.pid) == ""
    assert not is_stopped(process.pid)
