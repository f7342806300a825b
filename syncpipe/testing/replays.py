"""What became of replayed operations, in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncpipe.store.replays import GOOD, Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.errors import StoreError


class MemoryOutcomes:
    """Outcomes in memory, as :class:`syncpipe.store.replays.Outcomes`.

    Beyond the port it can be told what replays have taken (`expect`), be asked (`found`), and be
    broken (`fail`).
    """

    def __init__(self) -> None:
        """Know of no replay."""
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], Report | None] = {}
        self._failure: StoreError | None = None

    def expect(self, replay: str, letters: Iterable[str]) -> None:
        """Let *replay* have taken *letters*."""
        with self._lock:
            self._found |= dict.fromkeys((replay, letter) for letter in letters)

    def report(self, reports: Sequence[Report]) -> None:
        """Note what became of operations."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            for report in reports:
                key = report.replay, report.letter
                before = self._found.get(key)
                better = report.outcome in GOOD and before and before.outcome not in GOOD
                if key in self._found and (before is None or better):
                    self._found[key] = report

    def found(self, replay: str) -> dict[str, Report | None]:
        """Return what became of the letters that *replay* has taken, by their ids."""
        with self._lock:
            return {letter: report for (of, letter), report in self._found.items() if of == replay}

    def fail(self, error: StoreError | None) -> None:
        """Raise *error* from now on, until told None."""
        with self._lock:
            self._failure = error
