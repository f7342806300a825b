"""The rows of a table: which are wanted, and how they are shown. Pure."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def chosen(names: list[str], patterns: list[str]) -> list[str]:
    """Return those of *names* that hold, or match, one of *patterns*; all if there is none."""
    if not patterns:
        return names
    return [
        name
        for name in names
        if any(pattern in name or fnmatch(name, pattern) for pattern in patterns)
    ]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows*, of which the first is the head, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])
