"""Numbers and moments as people read them on pages."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANSWERED = re.compile(r"^Target \S+ answered \S+: ")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
#: What stands for what is not known.
NOTHING = "–"  # noqa: RUF001 -- a dash, as it is typeset
_THOUSAND = 1_000
_LITTLE = 0.1
_MINUTE = 60


def number(value: float | None) -> str:
    """Return a count in full, with a thin space between thousands."""
    return NOTHING if value is None else f"{value:,.0f}".replace(",", "\u202f")


def rate(value: float | None) -> str:
    """Return a number for each second."""
    if value is None:
        return NOTHING
    if 0 < value < _LITTLE:
        return f"under {_LITTLE}"
    return number(value) if value >= 10 or value == 0 else f"{value:.1f}"  # noqa: PLR2004 -- two digits


def span(seconds: float | None) -> str:
    """Return a duration in its largest unit, and the next one where the first is small."""
    if seconds is None:
        return NOTHING
    if seconds < _MINUTE:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else "under 1 s"
    size, unit = next(each for each in _UNITS if seconds >= each[0])
    whole = int(seconds // size)
    smaller = next((each for each in _UNITS if each[0] < size), (1, "s"))
    rest = int(seconds % size // smaller[0])
    return f"{whole} {unit} {rest} {smaller[1]}" if whole < 3 and rest else f"{whole} {unit}"  # noqa: PLR2004 -- 2 h 40 min, but 3 h


def ago(at_ms: int | None, now_ms: int) -> str:
    """Return how long ago a moment was."""
    return NOTHING if at_ms is None else f"{span(max(0, (now_ms - at_ms) // _THOUSAND))} ago"


def moment(at_ms: int | None) -> str:
    """Return milliseconds since the Unix epoch as a time in UTC that HTML understands too."""
    if at_ms is None:
        return ""
    found = dt.datetime.fromtimestamp(at_ms / _THOUSAND, dt.UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day_and_time(at_ms: int | None) -> str:
    """Return the same for people: ``2026-03-01 08:00:00 UTC``."""
    return moment(at_ms)[:19].replace("T", " ") + " UTC" if at_ms is not None else NOTHING


def bars(counts: Sequence[int], *, width: int = 96, height: int = 24) -> str:
    """Return the path of a bar for each of *counts*, for an SVG of that size.

    What is not nothing can be seen, however little it is.
    """
    most = max(counts, default=0)
    if not most:
        return ""
    step = width / len(counts)
    path = []
    for place, count in enumerate(counts):
        if count:
            tall = max(2.0, count / most * height)
            path.append(
                f"M{place * step:.1f} {height}v-{tall:.1f}h{max(1.0, step - 1):.1f}v{tall:.1f}z"
            )
    return "".join(path)


def said(message: str | None) -> str:
    """Return what a target said, without that it did: the page names target and code beside it."""
    if not message:
        return "The words come from elsewhere, and are not shown."
    return _ANSWERED.sub("", message)


def plural(value: int, one: str, more: str = "") -> str:
    """Return *value* with the word for so many."""
    return f"{number(value)} {one if value == 1 else more or one + 's'}"
