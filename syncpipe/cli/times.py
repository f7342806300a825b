"""Times on the command line: how long from now, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

#: A thousand years: what is further from now is no moment everywhere.
_LONGEST_S = 31_536_000_000


def duration(text: str) -> float:
    """Return the seconds of a number, or of one with a unit such as ``90s``, ``2h`` or ``1d``."""
    seconds = _seconds(text)
    if not 0 <= seconds <= _LONGEST_S:
        raise click.BadParameter(f"{text!r} is not from 0 to {_LONGEST_S:,} seconds.")
    return seconds


def _seconds(text: str) -> float:
    from syncpipe.core.units import parse_duration

    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(parse_duration(text))
    except OverflowError:
        return float("inf")
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def moment(text: str) -> dt.datetime:
    """Return the time with its zone that ISO 8601 writes as *text*."""
    import datetime as dt

    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time such as 2026-03-01T08:00:00Z.") from error
    if found.utcoffset() is None:
        raise click.BadParameter(f"{text!r} has no zone: end it with Z, or +02:00.")
    return found


_OPTIONS = (
    click.option(
        "--delay", type=duration, metavar="SECONDS", help="Due in so long; also 90s, 2h, 1d."
    ),
    click.option(
        "--not-before", type=moment, metavar="TIME", help="Due then: 2026-03-01T08:00:00Z."
    ),
    click.option(
        "--expires-in", type=duration, metavar="SECONDS", help="Not tried after so long, from now."
    ),
)


def timed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a *command* ``--delay``, ``--not-before`` and ``--expires-in``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def written(milliseconds: int) -> str:
    """Return milliseconds since the Unix epoch as a time in UTC, as in RFC 3339."""
    import datetime as dt

    found = dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
