"""The table of what was seen, and what of it is not as it has to be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.chaos.rows import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEADS = ("what happens", "bar", "seen", "met")
_MET = {True: "yes", False: "NO", None: "-"}


def failures(results: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return what is wrong with the rows *names*, one line each; empty if all bars are met.

    A row without a result, or without any bar, is wrong too.
    """
    wrong = []
    for name in names:
        checks = results.get(name, {}).get("checks", [])
        if not checks:
            wrong.append(f"{name}: no result")
        wrong += [
            f"{name}: {check['bar']}: {check['seen']}" for check in checks if check["met"] is False
        ]
    return wrong


def rendered(results: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the table of the rows *names*, as far as there are results: a line for each bar."""
    lines: list[tuple[str, ...]] = [_HEADS]
    for name in names:
        for number, check in enumerate(results.get(name, {}).get("checks", [])):
            lines.append(("" if number else name, check["bar"], check["seen"], _MET[check["met"]]))
    return aligned(lines)
