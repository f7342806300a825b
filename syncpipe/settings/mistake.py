"""One thing wrong with a configuration, and what to do about it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Source:
    """Where a value comes from."""

    #: The layer: ``default``, ``file``, ``profile``, ``environment`` or ``command line``.
    layer: str
    #: The file, the environment variable or ``--set``; empty for a default.
    name: str = ""
    #: Line in the file, from 1; None elsewhere.
    line: int | None = None

    def __str__(self) -> str:
        """Return ``file:line``, the variable, ``--set`` or ``default``."""
        if self.line is not None:
            return f"{self.name}:{self.line}"
        return self.name or self.layer


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong with a configuration."""

    #: Where it is written.
    source: Source
    #: The key, dotted; empty when the whole file is meant.
    key: str
    #: What is wrong, a sentence.
    message: str
    #: What to write instead, a sentence.
    suggestion: str

    @property
    def line(self) -> int | None:
        """Line in the file, from 1; None for what is not written in a file."""
        return self.source.line

    def __str__(self) -> str:
        """Place, key, what is wrong and what to do, on one line."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.source}: {key}{self.message} {self.suggestion}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that proposes what *word* was meant to be, out of the *known* words."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known here: {', '.join(names)}." if names else "Nothing is known here."
