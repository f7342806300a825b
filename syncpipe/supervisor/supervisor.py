"""Several supervised processes: started in order, stopped in the reverse."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Self

from syncpipe.supervisor.child import Child
from syncpipe.supervisor.postponement import STOP_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

    from syncpipe.supervisor.command import Command, Event

#: Seconds between two looks at whether a stopping process must be hurried.
_HURRY_S = 0.05


class Stopped(SystemExit):
    """A signal asked us to stop; the exit status is the one that a shell gives, 128 + number."""

    def __init__(self, signum: int) -> None:
        """Keep *signum*."""
        super().__init__(128 + signum)
        self.signum = signum


class Supervisor:
    """Keeps commands running until the end of a ``with`` block, and leaves no process behind.

    Each process gets a session of its own, so Ctrl-C reaches only us, and dies with us by the
    kernel's hand if we are killed. With ``signals=True`` (main thread only) the first SIGINT,
    SIGTERM or SIGHUP raises :class:`Stopped` inside the block, which stops all warmly; the next one
    kills what has not ended yet.
    """

    def __init__(
        self, *, signals: bool = False, on_event: Callable[[Event], None] | None = None
    ) -> None:
        """Prepare; *on_event* hears what happens, from the threads that keep the processes."""
        self._trap = signals
        self._notify = on_event or _ignore
        self._groups: list[list[Child]] = []
        # Plain flags: a signal handler that takes a lock can deadlock the thread it interrupts.
        self._hurry = False
        self._stopping = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals, if asked to."""
        if self._trap:
            self._handlers = {
                number: signal.signal(number, self._on_signal) for number in STOP_SIGNALS
            }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything and give the signals back."""
        try:
            self.stop()
        finally:
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def start(self, *commands: Command) -> None:
        """Start *commands* together and return when all are ready.

        Raises ChildFailed, with the end of its log, when one ends first or takes too long; the
        commands of this call are then stopped, those of earlier calls go on.
        """
        group = [Child(command, self._notify) for command in commands]
        self._groups.append(group)
        try:
            for child in group:
                child.start()
            for child in group:
                child.await_ready()
        except Exception:
            self._stop_group(group)
            self._groups.remove(group)
            raise

    def pause(self, name: str) -> None:
        """Stop the process *name*, warmly if it can, and leave it stopped; return when it ended."""
        group, place = self._find(name)
        self._stop_group([group[place]])

    def resume(self, name: str) -> None:
        """Start the process *name* again, which was paused; return when it is ready.

        Raises ChildFailed as `start` does.
        """
        group, place = self._find(name)
        group[place] = Child(group[place].command, self._notify)
        group[place].start()
        group[place].await_ready()

    def pids(self) -> dict[str, int | None]:
        """Process id by name; None for one that is being restarted or has ended."""
        return {child.command.name: child.pid for group in self._groups for child in group}

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until every process has ended for good; False when *timeout_s* came first.

        A command with ``restart`` never ends by itself, so this waits for a signal.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        for group in self._groups:
            for child in group:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not child.done.wait(left):
                    return False
        return True

    def stop(self) -> None:
        """Stop all: the last started first, those started together together. Twice is harmless."""
        self._stopping = True
        while self._groups:
            self._stop_group(self._groups[-1])
            self._groups.pop()

    def _stop_group(self, group: list[Child]) -> None:
        started = [child for child in group if child.begun]
        asked = time.monotonic()
        for child in started:
            child.ask_to_stop()
        for child in started:
            while not child.done.wait(_HURRY_S):
                if self._hurry or time.monotonic() > asked + child.command.grace_s:
                    child.kill()
                    child.done.wait()

    def _find(self, name: str) -> tuple[list[Child], int]:
        """Return the group of the process *name*, and its place there."""
        for group in self._groups:
            for place, child in enumerate(group):
                if child.command.name == name:
                    return group, place
        raise LookupError(f"Nothing is called {name}.")

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self._stopping:
            self._hurry = True
            return
        self._stopping = True
        raise Stopped(signum)


def _ignore(_event: Event) -> None:
    """Nobody listens."""
