"""Messages that go alone: one after the other in a process. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.held import Held


class Solitude:
    """Lets one message at a time go that is to go alone.

    What was under way at a crash is blamed for it: of two at once, one would be blamed for the
    other, and again the next time, because both begin anew together.
    """

    def __init__(self) -> None:
        """Begin with nobody inside."""
        self._taken = False
        self._waiting: list[tuple[str, Held]] = []

    def __len__(self) -> int:
        """Return how many messages wait for their turn."""
        return len(self._waiting)

    def enter(self, target: str, batch: Sequence[Held]) -> bool:
        """Return whether *batch*, for *target*, may start now; if not, its message waits here."""
        if not batch[0].alone:
            return True
        if self._taken:
            self._waiting.append((target, batch[0]))
            return False
        self._taken = True
        return True

    def leave(self, batch: Sequence[Held]) -> list[tuple[str, Held]]:
        """Note that *batch* has ended; return those that may try to enter now, with their targets.

        All of them: the next one's target may be left alone.
        """
        if not batch[0].alone:
            return []
        self._taken = False
        waiting, self._waiting = self._waiting, []
        return waiting

    def clear(self, target: str | None = None) -> list[Held]:
        """Take those that wait here, of one *target* or all."""
        gone = [each for each in self._waiting if target in {None, each[0]}]
        self._waiting = [each for each in self._waiting if each not in gone]
        return [held for _, held in gone]
