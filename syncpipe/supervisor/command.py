"""What to run: a command as a value, and how its process is made."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from syncpipe.supervisor import detached, launch
from syncpipe.supervisor.heartbeat import Lives
from syncpipe.supervisor.identity import ProcessId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from syncpipe.supervisor.heartbeat import Heartbeat

#: How many bytes of a log are looked at to explain a failure.
_TAIL_BYTES = 4096
#: How many lines of them are shown.
_TAIL_LINES = 12


@dataclass(frozen=True, slots=True)
class Command:
    """One program to keep running."""

    #: What people call it; used in events and errors.
    name: str
    #: Program and arguments; the program is an absolute path or looked up on PATH.
    argv: tuple[str, ...]
    #: The whole environment; None takes over ours.
    env: Mapping[str, str] | None = None
    #: Working directory; None takes over ours.
    cwd: Path | None = None
    #: Name of the user to become; only root can. None stays who we are.
    user: str | None = None
    #: File that stdout and stderr are appended to; None takes over ours.
    log: Path | None = None
    #: Says whether the program serves yet; called from the starting thread. None: no question.
    ready: Callable[[], bool] | None = None
    #: Seconds until it must be ready.
    ready_timeout_s: float = 30.0
    #: What asks it to end.
    stop_signal: int = signal.SIGTERM
    #: What the kernel sends it when the supervisor dies (Linux).
    death_signal: int = signal.SIGKILL
    #: Seconds between asking and killing.
    grace_s: float = 10.0
    #: Whether it is started again when it ends by itself.
    restart: bool = True
    #: Where it shows that it is alive; None: it shows nothing, and is never taken for stalled.
    heartbeat: Heartbeat | None = None
    #: Exit status by which it says itself that it has stalled; None: it never does.
    stalled_status: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a supervised process; logging is a subscriber of these."""

    #: What happened.
    kind: Literal["started", "ended", "restarting", "killed", "stalled", "unstartable"]
    #: Name of the command.
    name: str
    #: Process id; None when there is no process.
    pid: int | None = None
    #: Exit status as :mod:`subprocess` counts it: negative for a signal. Only with ``ended``.
    status: int | None = None
    #: Seconds until the next start, only with ``restarting``.
    delay_s: float | None = None
    #: Why it could not be started, counts as stalled, or says that it ended; only with
    #: ``unstartable``, ``stalled`` and ``ended``.
    reason: str | None = None
    #: What is counted so far, with ``restarting`` and ``stalled``.
    lives: Lives = field(default_factory=Lives)


def spawn(command: Command) -> subprocess.Popen[bytes]:
    """Start *command* in a session of its own, tied to the life of the calling *thread*.

    The kernel ties a child to the thread that made it, not to the process: call this from a thread
    that outlives the child. Raises OSError when the program is not found or the log cannot be
    opened.
    """
    program, *arguments = command.argv
    path = shutil.which(program, path=command.env.get("PATH") if command.env else None)
    if path is None:
        raise FileNotFoundError(errno.ENOENT, "no such program", program)
    with ExitStack() as files:
        log = files.enter_context(command.log.open("ab")) if command.log else None
        return subprocess.Popen(
            [
                *(sys.executable, "-I", "-S", launch.__file__),
                *(str(os.getpid()), str(int(command.death_signal)), command.user or ""),
                *(path, *arguments),
            ],
            env=command.env,
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def detach(argv: tuple[str, ...], *, log: Path, env: Mapping[str, str] | None = None) -> ProcessId:
    """Start a program that outlives us, in a session of its own, appending to *log*.

    *argv* begins with an absolute path; *env* is the whole environment, None takes over ours.
    Raises OSError when the log cannot be opened.
    """
    with log.open("ab") as file:
        done = subprocess.run(
            [sys.executable, "-I", "-S", detached.__file__, *argv],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            check=True,
        )
    return ProcessId.of(int(done.stdout))


def tail(log: Path | None) -> str:
    """Return the last lines of *log*, indented for an error message; empty when there are none."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "".join(f"\n    {line}" for line in lines[-_TAIL_LINES:])
