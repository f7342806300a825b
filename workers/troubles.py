"""What goes wrong now, so that the log tells each trouble once, whoever meets it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from syncpipe.errors import SyncpipeError


class _Trouble(NamedTuple):
    code: str
    text: str
    told: bool


class Troubles:
    """The troubles of all jobs of a process. Thread-safe."""

    def __init__(self) -> None:
        """Begin without any."""
        self._lock = threading.Lock()
        self._now: dict[str, _Trouble] = {}

    def begin(self, job: str, error: SyncpipeError) -> bool:
        """Note that *job* meets *error*; return whether that is to be told.

        It is not when the job has met one of that kind before, or another job the very same.
        """
        with self._lock:
            before, text = self._now.get(job), str(error)
            if before and before.code == error.code:
                return False
            told = all(each.text != text for name, each in self._now.items() if name != job)
            self._now[job] = _Trouble(error.code, text, told)
            return told

    def end(self, job: str) -> bool:
        """Note that *job* works; return whether its trouble was told, if it had one."""
        with self._lock:
            before = self._now.pop(job, None)
            return before is not None and before.told
