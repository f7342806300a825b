from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest

from syncpipe.supervisor import ProcessId, detach
from tests.patience import eventually


def test_a_running_process_is_alive():
    assert ProcessId.of(os.getpid()).alive()


def test_a_process_that_took_the_number_over_is_another():
    mine = ProcessId.of(os.getpid())
    assert not replace(mine, started=mine.started - 1).alive()


def test_a_zombie_is_not_alive():
    with subprocess.Popen(["true"]) as process:
        zombie = ProcessId.of(process.pid)
        eventually(lambda: not zombie.alive())


def test_a_signal_to_a_dead_process_is_nothing():
    with subprocess.Popen(["true"]) as process:
        dead = ProcessId.of(process.pid)
    dead.signal(9)
    assert not dead.alive()


def test_a_detached_program_is_nobodys_child(tmp_path):
    log = tmp_path / "log"
    process = detach(("/bin/sh", "-c", "echo out; echo err >&2; exec sleep 1000"), log=log)
    try:
        eventually(lambda: log.read_text(encoding="utf-8") == "out\nerr\n")
        with pytest.raises(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        assert os.getsid(process.pid) == process.pid
    finally:
        process.signal(9)
