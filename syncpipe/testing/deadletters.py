"""Dead letters kept in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncpipe.store.deadletters import OPEN, REPLAYABLE, Kept
from syncpipe.store.groups import death_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.deadletter import DeadLetter
    from syncpipe.testing.groups import MemoryGroups


class MemoryLetters:
    """Dead letters in memory, as :class:`syncpipe.store.deadletters.KeptLetters`."""

    def __init__(self, groups: MemoryGroups | None = None) -> None:
        """Keep none yet; *groups* are told of what ends them."""
        self._groups = groups
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}

    def record(self, letters: Sequence[DeadLetter]) -> list[Kept]:
        """Keep *letters*; return as what each is kept now."""
        with self._lock:
            for letter in sorted(letters, key=lambda each: each.died_ms):
                before = self._kept.get(letter.id)
                self._kept[letter.id] = before.again(letter) if before else Kept.new(letter)
            if self._groups is not None:
                deaths = map(death_of, sorted(letters, key=lambda each: each.died_ms))
                self._groups.die([death for death in deaths if death])
            return [self._kept[id_] for id_ in {letter.id for letter in letters}]

    def find(self, id_: str) -> list[Kept]:
        """Return those whose own id, or whose operation's id, is *id_*."""
        with self._lock:
            return [k for k in self._kept.values() if id_ in {k.id, k.letter.operation_id}]

    def open_keys(self, target: str) -> dict[str, set[str]]:
        """Return the keys of those of *target* that can be sent again, by collection."""
        keys: dict[str, set[str]] = {}
        with self._lock:
            for kept in self._kept.values():
                letter = kept.letter
                if kept.state in REPLAYABLE and letter.target == target and letter.collection:
                    keys.setdefault(letter.collection, set()).add(letter.key or "")
        return keys

    def count(self) -> int:
        """Return how many are open."""
        with self._lock:
            return sum(kept.state == OPEN for kept in self._kept.values())
