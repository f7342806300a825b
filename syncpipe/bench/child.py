"""A process of the benchmark that does one thing when it is told to, and says what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Self

from syncpipe.errors import ChildFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

#: Seconds that a child may take to end once nobody talks to it any more.
_END_S = 20.0


class Child:
    """Talks to a process through its stdin and stdout, one JSON value a line.

    The process lives until the end of the block, so that what it has used can be read off it; it
    ends by itself when we die, because its stdin does.
    """

    def __init__(
        self, argv: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        """Start *argv*, whose complaints go to *log*."""
        self._log = log
        with log.open("ab") as complaints:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=dict(env),
                cwd=cwd,
                text=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def tell(self, value: object) -> None:
        """Tell it *value*. Raises ChildFailed when it has ended."""
        try:
            _pipe(self._process.stdin).write(json.dumps(value) + "\n")
            _pipe(self._process.stdin).flush()
        except OSError as error:
            raise ChildFailed(
                f"A process of the benchmark has ended; {self._log} says why."
            ) from error

    def hear(self) -> Any:
        """Wait for what it says. Raises ChildFailed when it ends instead."""
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise ChildFailed(f"A process of the benchmark has ended; {self._log} says why.")
        return json.loads(line)

    def __enter__(self) -> Self:
        """Return the child."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        with suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()


def serve(act: Callable[[Any], object]) -> None:
    """Be a child: say that we are ready, then do *act* with each value and say what it returns."""
    _say("ready")
    for line in sys.stdin:
        _say(act(json.loads(line)))


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _pipe(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise ChildFailed("The process has no pipe.")
    return stream
