"""On which line of a TOML file a key stands; :mod:`tomllib` does not tell."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def flatten(
    tree: dict[str, Any], prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of everything in *tree*, tables before what they hold."""
    for name, value in tree.items():
        path = (*prefix, name)
        yield path, value
        if isinstance(value, dict):
            yield from flatten(value, path)


def locate(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, from 1, on which each path of a well-formed TOML *text* begins.

    Line after line goes to :mod:`tomllib` until it takes what has gathered as whole, so this knows
    nothing about strings, arrays and comments.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    gathered, begin = "", 1
    # Not splitlines(): it ends lines where TOML does not, such as at U+2028 inside a string.
    for number, line in enumerate(text.split("\n"), 1):
        gathered += line + "\n"
        try:
            piece = tomllib.loads(gathered)
        except tomllib.TOMLDecodeError:
            continue
        if gathered.lstrip().startswith("["):
            table = _deepest(piece)
            paths = [table[:depth] for depth in range(1, len(table) + 1)]
        else:
            paths = [path for path, _ in flatten(piece, table)]
        for path in paths:
            lines.setdefault(path, begin)
        gathered, begin = "", number + 1
    return lines


def _deepest(header: dict[str, Any]) -> tuple[str, ...]:
    """Return the path of a table's header, parsed alone."""
    path: list[str] = []
    inner: Any = header
    while isinstance(inner, dict) and inner:
        name, inner = next(iter(inner.items()))
        path.append(name)
    return tuple(path)
