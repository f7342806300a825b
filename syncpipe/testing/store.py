"""A store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.testing.deadletters import MemoryLetters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.store.store import Migration


class MemoryStore:
    """A store in memory, as :class:`syncpipe.store.store.Store`; it needs no migrations."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.dead_letters = MemoryLetters()

    def check(self) -> None:
        """Return: it can always be used."""

    def migrate(self, *, post: bool = False) -> Sequence[Migration]:  # noqa: ARG002 - the port's
        """Return: there is nothing to do."""
        return []

    def close(self) -> None:
        """Do nothing: what is kept outlives the caller."""
