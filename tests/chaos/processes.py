"""Processes as the kernel sees them: stopped or not."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

#: Seconds that the kernel may take to stop every thread.
_STOP_S = 5.0


def states(pid: int) -> str:
    """Return the state of every thread of a process, one letter each; empty if it is gone."""
    found = ""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            found += (thread / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""
    return found


def is_stopped(pid: int) -> bool:
    """Return whether every thread of a process is in state T."""
    return set(states(pid)) == {"T"}


def stop(pid: int) -> bool:
    """Stop a process; return whether every thread of it is in state T."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _STOP_S
    while not is_stopped(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def until(condition, within_s: float, every_s: float = 0.05):
    """Return the first true value of *condition*; None if none came within *within_s* seconds."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            return None
        time.sleep(every_s)
    return found
