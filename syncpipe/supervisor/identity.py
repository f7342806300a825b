"""Which process a number means: process ids are used again, start times are not."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

#: Fields of /proc/PID/stat after the command name, which is in brackets: state and start time.
_STATE, _START = 0, 19


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process id with the moment the process began."""

    #: The number.
    pid: int
    #: Clock ticks between boot and its start; None where the system does not tell.
    started: int | None

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify the process that has the number *pid* now."""
        state = _state(pid)
        return cls(pid, state[1] if state else None)

    def alive(self) -> bool:
        """Whether exactly this process still runs (a zombie does not)."""
        if Path("/proc/self/stat").exists():
            state = _state(self.pid)
            return state is not None and state[0] != "Z" and state[1] == self.started
        with suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    def signal(self, signum: int) -> None:
        """Send *signum*, unless the process is gone. Raises PermissionError when it is not ours."""
        if self.alive():
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)


def _state(pid: int) -> tuple[str, int] | None:
    """Return state letter and start time of *pid*, None if there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[_STATE], int(fields[_START])
