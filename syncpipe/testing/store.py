"""A store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.system import SystemClock
from syncpipe.testing.deadletters import MemoryLetters
from syncpipe.testing.groups import MemoryGroups
from syncpipe.testing.pauses import MemoryPauses
from syncpipe.testing.replays import MemoryOutcomes
from syncpipe.testing.schedule import MemorySchedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.store.store import Migration


class MemoryStore:
    """A store in memory, as :class:`syncpipe.store.store.Store`; it needs no migrations."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Keep nothing yet; *clock* tells what is due, the machine's if None."""
        clock = clock or SystemClock()
        self.schedule = MemorySchedule(clock)
        self.groups = MemoryGroups(self.schedule, clock)
        self.pauses = MemoryPauses(clock)
        self.outcomes = MemoryOutcomes()
        self.dead_letters = MemoryLetters(self.groups)

    def check(self) -> None:
        """Return: it can always be used."""

    def migrate(self, *, post: bool = False) -> Sequence[Migration]:  # noqa: ARG002 - the port's
        """Return: there is nothing to do."""
        return []

    def close(self) -> None:
        """Do nothing: what is kept outlives the caller."""
