"""How a program shows that it is alive, and how one that has stalled is told from one that is busy.

A program touches a file again and again. Whoever watches it asks only whether the file's time has
*changed*, and measures with a clock of its own: clocks that jump mean nothing here.
"""

from __future__ import annotations

import json
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from syncpipe.supervisor.journal import Suspects, journal_of, noted, suspects_of

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds between two touches.
_TOUCH_S = 1.0
#: The longest pause between two looks at a program, seconds.
_LOOK_S = 1.0
#: How many pauses make a timeout, at least.
_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where a program shows that it is alive."""

    #: The file that it touches. Each of its lives finds its `Lives` in there.
    path: Path
    #: Seconds without a touch after which it is killed and started again.
    timeout_s: float = 30.0

    @property
    def look_s(self) -> float:
        """Seconds between two looks."""
        return min(_LOOK_S, self.timeout_s / _LOOKS)

    def touched_ns(self) -> int | None:
        """Return when the file was touched, by whatever clock; None when it cannot be seen."""
        try:
            return self.path.stat().st_mtime_ns
        except OSError:
            return None

    def count_crash(self) -> None:
        """Count what the program was at work on when it ended among the suspects, once."""
        journal = journal_of(self.path)
        # What kills a program is worth less than that it is started again.
        with suppress(OSError):
            Suspects(suspects_of(self.path)).add(noted(journal))
        journal.unlink(missing_ok=True)

    def take_last_words(self) -> str | None:
        """Return what the program left by `leave_last_words` before its end, once."""
        path = _last_words(self.path)
        try:
            text = path.read_text(encoding="utf-8")
            path.unlink()
        except (OSError, ValueError):
            return None
        return text


@dataclass(frozen=True, slots=True)
class Lives:
    """What a program's earlier lives hand to the present one."""

    #: How often it was started again.
    restarts: int = 0
    #: How many of its lives have stalled.
    stalls: int = 0

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what stands in *path*; nothing is counted where that cannot be read."""
        try:
            counts = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(counts["restarts"]), int(counts["stalls"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, path: Path) -> None:
        """Write it into *path*. Raises OSError."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


class Silence:
    """Seconds without a sign of life, as far as somebody was there to look. Pure.

    A look counts for at most *longest_s* seconds, so that a watcher that was asleep itself, because
    the machine was, has seen no silence in that time.
    """

    def __init__(self, longest_s: float) -> None:
        """Begin with the first look."""
        self._longest_s = longest_s
        self._looked_at: float | None = None
        self._seconds = 0.0

    def look(self, now: float, *, sign: bool) -> float:
        """Return the seconds of silence until *now*, monotonic; *sign* ends it."""
        since = now if self._looked_at is None else self._looked_at
        self._looked_at = now
        self._seconds = 0.0 if sign else self._seconds + min(now - since, self._longest_s)
        return self._seconds


class Pulse:
    """Decides whether one life of a program has stalled. Pure.

    Until its first touch it is starting, for which it has *start_s* seconds more. A file that
    cannot be seen says nothing about the program.
    """

    def __init__(self, heartbeat: Heartbeat, start_s: float, touched_ns: int | None) -> None:
        """Begin a life; *touched_ns* is when the file was touched before it."""
        self._timeout_s = heartbeat.timeout_s
        self._start_s = start_s
        self._touched_ns = touched_ns
        self._silence = Silence(2 * heartbeat.look_s)

    def stalled(self, touched_ns: int | None, now: float) -> bool:
        """Return whether it has, seeing the file touched at *touched_ns*; *now* is monotonic."""
        touched = touched_ns is not None and touched_ns != self._touched_ns
        if touched:
            self._touched_ns, self._start_s = touched_ns, 0.0
        silent_s = self._silence.look(now, sign=touched or touched_ns is None)
        return silent_s >= self._timeout_s + self._start_s


def leave_last_words(path: Path, text: str) -> None:
    """Tell whoever watches the heartbeat file *path* why we end."""
    with suppress(OSError):
        _last_words(path).write_text(text, encoding="utf-8")


def keep_touching(path: Path) -> None:
    """Touch *path* at once and every second from now on, from a thread that ends with us."""
    threading.Thread(target=_touch, args=(path,), name="heartbeat", daemon=True).start()


def _last_words(path: Path) -> Path:
    return path.with_name(f"{path.name}.last")


def _touch(path: Path) -> None:
    while True:
        # Whoever removed the directory has also taken it from the eyes of the supervisor.
        with suppress(OSError):
            path.touch()
        time.sleep(_TOUCH_S)
