"""Progress on stderr: through a file, a bar on a terminal; otherwise a line now and then."""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import IO, TYPE_CHECKING, Self

from syncpipe.cli.output import note
from syncpipe.errors import SendError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.progress import Progress

    from syncpipe.ops.records import BadLine

#: Seconds between two lines where there is no terminal.
_LINE_S = 5.0


class FileProgress:
    """Shows how much of a file has been read, and its bad lines."""

    def __init__(self, file: IO[bytes]) -> None:
        """Show progress through *file*, by its bytes if it has a length."""
        self._file = file
        self._size = _size(file)
        self._bar = _bar() if sys.stderr.isatty() else None
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        """Show the bar."""
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._size, records="0")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar as it is."""
        if self._bar:
            self._bar.stop()

    def advance(self, records: int) -> None:
        """Say that so many *records* have been read."""
        if self._bar:
            done = self._file.tell() if self._size else 0
            self._bar.update(self._task, completed=done, records=f"{records:,}")
        elif time.monotonic() - self._said_at > _LINE_S:
            self._said_at = time.monotonic()
            part = f" ({self._file.tell() * 100 // self._size} %)" if self._size else ""
            note(f"{records:,} records read{part}")

    def report(self, bad: BadLine) -> None:
        """Write what is wrong with a line."""
        text = f"line {bad.line}: {bad.error.code} {bad.error.message}"
        if isinstance(bad.error, SendError) and bad.error.operation_id is not None:
            text += f" [id {bad.error.operation_id}, version {bad.error.version}]"
        if self._bar:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            note(text)


class Counting:
    """Says now and then how many dead letters have been gone through."""

    def __init__(self, done: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Say that so many are *done*, such as "exported"; *monotonic* tells seconds."""
        self._done = done
        self._monotonic = monotonic
        self._said_at = monotonic()

    def __call__(self, number: int) -> None:
        """Say that it is *number*, unless something was said just now."""
        if self._monotonic() - self._said_at > _LINE_S:
            self._said_at = self._monotonic()
            note(f"{number:,} dead letters {self._done} so far")


def _size(file: IO[bytes]) -> int | None:
    """Return the bytes of a regular file, None of anything else."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[records]} records"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
