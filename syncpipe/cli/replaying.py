"""Making a replay, and watching it to its end."""

from __future__ import annotations

import re
import sys
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.desk import dated
from syncpipe.cli.output import Exit, Form, counted, note, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from syncpipe.cli.desk import Desk

#: Seconds between two looks, and between two lines where there is no terminal.
_LOOK_S, _LINE_S = 0.5, 5.0
_NUMBER = re.compile(r"(\d+)([km]?)", re.IGNORECASE)
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/s)?")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_TIMES = {"": 1, "k": 1_000, "m": 1_000_000}
_COLUMNS = ("id", "state", "total", "sent", "outcomes", "stopped")
#: States in which nothing more happens by itself.
_STILL = frozenset({"paused", "finished", "cancelled"})
#: Outcomes after which the target has the change, or something newer; `sent`: nobody will tell.
_WELL = frozenset({"applied", "merged", "duplicate", "superseded", "sent", "skipped"})


def paced(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a *command* the options of how a replay goes, as the argument ``pace``."""

    @wraps(command)
    def run(
        limit: int | None,
        rate: float | None,
        canary: int,
        stop_on_error_rate: float,
        as_of: str,
        **others: object,
    ) -> object:
        from syncpipe.deadletters.pace import Pace

        now = as_of == "now"
        pace = Pace(limit, rate, canary, stop_on_error_rate, as_of_now=now)
        return command(pace=pace, **others)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def carried_out(desk: Desk, made: Mapping[str, Any], form: Form, *, detach: bool) -> Exit:
    """Watch the replay that was *made*, unless *detach*; show it, and return how it went."""
    note(f"Replay {made['id']} has {counted(made['total'])}; workers send them.")
    row = made if detach else _watched(desk, made)
    if form is Form.TABLE:
        write([{**row, "outcomes": outcomes(row) or None}], form, _COLUMNS)
    else:
        write([dated(row)], form, ())
    if detach:
        return Exit.OK
    if row["state"] == "paused":
        note(f"It goes on with `syncpipe replay resume {row['id']}`, or ends with `cancel`.")
    if row["state"] != "finished":
        return Exit.PARTIAL
    return Exit.OK if row["outcomes"].keys() <= _WELL else Exit.PARTIAL


def _watched(desk: Desk, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the replay when nothing more happens to it by itself; Ctrl-C ends it earlier."""
    from syncpipe.errors import StoreUnavailable

    replays = desk.app.replays(desk.store, desk.identity)
    said_at, away = time.monotonic(), False
    try:
        while row["state"] not in _STILL:
            time.sleep(_LOOK_S)
            try:
                row, away = replays.show(row["id"]) or row, False
            except StoreUnavailable as error:
                if not away:
                    note(f"{error.message} The replay goes on when it is back; so does this.")
                away = True
                continue
            if sys.stderr.isatty():
                click.echo(f"\r\x1b[K{_progress(row)}", err=True, nl=False)
            elif time.monotonic() - said_at > _LINE_S:
                said_at = time.monotonic()
                note(_progress(row))
    except KeyboardInterrupt:
        note(f"\nIt goes on without you: `syncpipe replay show {row['id']}`.")
        return row
    if sys.stderr.isatty():
        note("")
    return row


def _progress(row: Mapping[str, Any]) -> str:
    ended = sum(row["outcomes"].values())
    text = f"{row['state']}: {ended:,} of {row['total']:,} have an outcome, {row['sent']:,} sent"
    return f"{text}; {row['stopped']}" if row["stopped"] else text


def outcomes(row: Mapping[str, Any]) -> str:
    """Return what became of the letters of a replay, in one line."""
    return ", ".join(f"{number:,} {word}" for word, number in row["outcomes"].items())


def _number(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    found = _NUMBER.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no number such as 500 or 50k.")
    return int(found[1]) * _TIMES[found[2].lower()]


def _rate(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    found = _RATE.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no rate such as 200/s.")
    return float(found[1])


def _share(_ctx: click.Context, _parameter: click.Parameter, text: str) -> float:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no percentage such as 5%.")
    return float(found[1]) / 100


_OPTIONS = (
    click.option(
        "--max", "limit", callback=_number, metavar="NUMBER", help="At most so many: 500, 50k."
    ),
    click.option("--rate", callback=_rate, metavar="RATE", help="At most so many a second: 200/s."),
    click.option(
        "--canary",
        type=click.IntRange(min=0),
        default=0,
        help="Send so many first, and the rest when they ended well.",
    ),
    click.option(
        "--stop-on-error-rate",
        callback=_share,
        default="5%",
        show_default=True,
        metavar="PERCENT",
        help="Pause when more than this share is dead again.",
    ),
    click.option(
        "--as-of",
        type=click.Choice(["original", "now"]),
        default="original",
        show_default=True,
        help="Version to send with; now: a new one, which wins over what was written since.",
    ),
)
