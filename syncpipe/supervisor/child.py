"""One supervised process, through all its lives."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from syncpipe.errors import ChildFailed
from syncpipe.supervisor.command import Event, spawn, tail
from syncpipe.supervisor.heartbeat import Lives, Pulse

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from syncpipe.supervisor.command import Command
    from syncpipe.supervisor.heartbeat import Heartbeat

#: Seconds before the first restart; doubles with each failure in a row.
_FIRST_DELAY_S = 0.1
#: The longest pause before a restart. A worker process needs 1 s to start, and is to be back in 3.
_LONGEST_DELAY_S = 1.5
#: A process that ran this many seconds had started well; its end begins a new row of failures.
_STEADY_S = 10.0
#: Seconds between two looks at a readiness probe.
_PROBE_S = 0.02


def restart_delay_s(failures: int) -> float:
    """Return the pause in seconds before a restart after so many *failures* in a row (from 1)."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))


class Child:
    """A command and the thread that starts it, waits for it, and starts it again.

    The thread makes the process because the kernel ties a child's life to the thread that made it.
    """

    def __init__(self, command: Command, notify: Callable[[Event], None]) -> None:
        """Prepare *command*; what happens to it goes to *notify*, called from the thread."""
        self.command = command
        self._notify = notify
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._reason = "ended before it was ready"
        self._lives = Lives()
        self._spawned = threading.Event()
        self._ended_once = threading.Event()
        self._stopping = threading.Event()
        #: Set when the process has ended and will not come back.
        self.done = threading.Event()
        self._thread = threading.Thread(
            target=self._live, name=f"supervise-{command.name}", daemon=True
        )

    @property
    def pid(self) -> int | None:
        """Process id of the present life; None between two lives."""
        process = self._process
        return process.pid if process else None

    @property
    def begun(self) -> bool:
        """Whether it was ever started."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin its first life; returns at once."""
        self._thread.start()

    def await_ready(self) -> None:
        """Return when it serves. Raises ChildFailed when it ends first or takes too long."""
        deadline = time.monotonic() + self.command.ready_timeout_s
        while not self._ready():
            if self._ended_once.is_set():
                raise self._failure(self._reason)
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {self.command.ready_timeout_s:g} s")
            self._ended_once.wait(_PROBE_S)

    def ask_to_stop(self) -> None:
        """Send the stop signal; the process will not be started again."""
        with self._lock:
            self._stopping.set()
            self._signal(self.command.stop_signal)

    def kill(self) -> None:
        """End it now; it will not be started again."""
        with self._lock:
            self._stopping.set()
            if self._process:
                self._notify(Event("killed", self.command.name, self._process.pid))
            self._signal(signal.SIGKILL)

    def _ready(self) -> bool:
        if self.command.ready is None:
            return self._spawned.is_set()
        return self._spawned.is_set() and not self._ended_once.is_set() and self.command.ready()

    def _failure(self, what: str) -> ChildFailed:
        log = f" Its log, {self.command.log}, ends with:" if self.command.log else ""
        return ChildFailed(f"{self.command.name} {what}.{log}{tail(self.command.log)}")

    def _live(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            self._run()
            self._ended_once.set()
            if not self.command.restart:
                break
            failures = 1 if time.monotonic() - began > _STEADY_S else failures + 1
            self._pause(restart_delay_s(failures))
        self.done.set()

    def _pause(self, delay_s: float) -> None:
        if not self._stopping.is_set():
            self._lives = replace(self._lives, restarts=self._lives.restarts + 1)
            event = Event("restarting", self.command.name, delay_s=delay_s, lives=self._lives)
            self._notify(event)
            self._stopping.wait(delay_s)

    def _run(self) -> None:
        """Live one life, from start to end."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._hand_over()
            try:
                process = self._process = spawn(self.command)
            except OSError as error:
                self._reason = f"could not be started: {error}"
                self._notify(Event("unstartable", self.command.name, reason=str(error)))
                return
        self._spawned.set()
        self._notify(Event("started", self.command.name, process.pid))
        with self._watched(process):
            _await_exit(process)
        with self._lock:
            _sweep(process.pid)
            status = process.wait()
            self._process = None
        reason = self._bequest()
        self._notify(Event("ended", self.command.name, process.pid, status, reason=reason))
        if status == self.command.stalled_status:
            self._count_stall(process.pid, "its own watch has ended it")

    def _bequest(self) -> str | None:
        """Take what the life that has ended leaves; return its last words.

        An end that we asked for is no crash.
        """
        heartbeat = self.command.heartbeat
        if heartbeat is None:
            return None
        if not self._stopping.is_set():
            heartbeat.count_crash()
        return heartbeat.take_last_words()

    def _hand_over(self) -> None:
        """Tell the next life what is counted."""
        if self.command.heartbeat:
            # Counts are worth less than a program that runs.
            with suppress(OSError):
                self._lives.write(self.command.heartbeat.path)

    @contextmanager
    def _watched(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Kill *process* if it stalls, until the end of the block."""
        heartbeat = self.command.heartbeat
        if heartbeat is None:
            yield
            return
        ended = threading.Event()
        name = f"watch-{self.command.name}"
        thread = threading.Thread(
            target=self._watch, args=(process, heartbeat, ended), name=name, daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _watch(
        self, process: subprocess.Popen[bytes], heartbeat: Heartbeat, ended: threading.Event
    ) -> None:
        pulse = Pulse(heartbeat, self.command.ready_timeout_s, heartbeat.touched_ns())
        while not ended.wait(heartbeat.look_s):
            if pulse.stalled(heartbeat.touched_ns(), time.monotonic()):
                self._end_stalled(process.pid, heartbeat.timeout_s)
                return

    def _end_stalled(self, pid: int, silent_s: float) -> None:
        with self._lock:
            # The grace period, and nobody else, bounds a stop.
            if not self._stopping.is_set():
                self._count_stall(pid, f"no sign of life for {silent_s:g} s")
                self._signal(signal.SIGKILL)

    def _count_stall(self, pid: int, reason: str) -> None:
        self._lives = replace(self._lives, stalls=self._lives.stalls + 1)
        event = Event("stalled", self.command.name, pid, reason=reason, lives=self._lives)
        self._notify(event)

    def _signal(self, signum: int) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signum)


def _await_exit(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end without reaping, so that the process id stays taken until we have swept."""
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


def _sweep(group: int) -> None:
    """Kill what the process left behind in its group."""
    # A group that holds nothing but the zombie may be reported as not permitted.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
