"""``syncpipe dlq``: the dead letters that the store keeps."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.desk import age, cause, dated, desk, joined, reason_option, record
from syncpipe.cli.dlq_act import discard, export, mute, purge, replay, restore
from syncpipe.cli.dlq_edit import edit
from syncpipe.cli.dlq_page import page, sparkline, stats_lines
from syncpipe.cli.options import configured, limited
from syncpipe.cli.output import Exit, Form, form_option, note, write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration

#: Most letters that a list shows unless told otherwise.
_LIMIT = 50
#: Letters that are asked for at once.
_PAGE = 500
#: Widest message in a table.
_WIDTH = 60
#: How messages of targets begin, when values in them are masked.
_LEAD = "Target *** answered ***: "
#: Digits of a code, or of a status of HTTP.
_DIGITS = 3
_COLUMNS = ("id", "age", "times", "target", "record", "code", "cause", "message")
_GROUP_COLUMNS = (
    *("fingerprint", "letters", "records", "age", "24h", "target", "code", "cause", "message"),
)


@click.group()
def dlq() -> None:
    """See what was given up, and why; mend it, replay it, or put it away.

    Workers bring dead letters from the broker into the store. What is in an operation is masked, in
    messages too. Filters are like 'target:crm code:23505 age:>1h'.
    """


for _command in (edit, replay, discard, restore, export, mute, purge):
    dlq.add_command(_command)

_where = click.option("--where", default="", metavar="FILTER", help="Only what fits.")
_limit = limited(_LIMIT)


@dlq.command("list")
@configured
@form_option
@_where
@click.option("--target", help="Only of this target.")
@click.option("--collection", help="Only of this collection.")
@click.option("--code", help="Only with this code: SP-E511 or 511, 23505, 409.")
@click.option("--fingerprint", help="Only of this cause, as `dlq groups` tells it.")
@_limit
@click.pass_context
def list_letters(
    ctx: click.Context,
    /,
    configuration: Configuration,
    form: Form,
    where: str,
    code: str | None,
    fingerprint: str | None,
    limit: int,
    **wanted: str | None,
) -> None:
    """List dead letters, the newest first. Exit code 3 says that there is none.

    Open ones, unless --where names a state. AGE is the time since it was given up last, TIMES how
    often it was.
    """
    where = joined(where, code=code and _codes(code), fp=fingerprint, **wanted)
    with desk(configuration) as opened:
        rows: list[dict[str, Any]] = []
        after = None
        while True:
            part = opened.letters.list(where, limit=min(limit - len(rows), _PAGE), after=after)
            rows += part["letters"]
            after = part["after"]
            if after is None or len(rows) == limit:
                break
        app, now_ms = opened.app, opened.app.clock.now_ms()
    if form is Form.TABLE and rows:
        states = () if all(row["state"] == "open" for row in rows) else ("state",)
        write((_line(row, now_ms) for row in rows), form, (*_COLUMNS[:3], *states, *_COLUMNS[3:]))
    elif form is not Form.TABLE:
        write(map(dated, rows), form, ())
    if not rows:
        _end_with_none(ctx, app, where)
    if len(rows) == limit and after is not None:
        note(f"There may be more than these {limit}: --limit shows them.")


@dlq.command()
@configured
@form_option
@_where
@_limit
@click.option("--muted", is_flag=True, help="Also causes that are muted.")
@click.pass_context
def groups(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    where: str,
    limit: int,
    *,
    muted: bool,
) -> None:
    """List the causes of dead letters, the most frequent first. Exit code 3: there is none.

    24H shows how many were given up in each of the last 24 hours.
    """
    with desk(configuration) as opened:
        rows = opened.letters.groups(where, limit=limit, muted=muted)
        app, now_ms = opened.app, opened.app.clock.now_ms()
    if form is Form.TABLE and rows:
        write((_group_line(row, now_ms) for row in rows), form, _GROUP_COLUMNS)
        first = rows[0]
        note(f"What to do about the first: {first['hint']['text']}")
        note(f"One of it: syncpipe dlq show {first['example']}")
    elif form is not Form.TABLE:
        write(map(dated, rows), form, ())
    if not rows:
        _end_with_none(ctx, app, where)


@dlq.command()
@configured
@form_option
@click.option("--reveal", is_flag=True, help="Show values, too; admins may, and it is audited.")
@reason_option()
@click.argument("id_", metavar="ID")
@click.pass_context
def show(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    id_: str,
    reason: str,
    *,
    reveal: bool,
) -> None:
    """Show everything about a dead letter, beside its record as it is in the target now.

    ID is its own id or that of its operation, which may have one for each target; the first 8
    characters are enough. Exit code 3 says that there is none.
    """
    with desk(configuration) as opened:
        rows = opened.letters.show(id_, reveal=reveal, reason=reason)
        now_ms = opened.app.clock.now_ms()
    if form is Form.TABLE:
        click.echo("\n\n".join("\n".join(page(row, now_ms)) for row in rows), nl=bool(rows))
    else:
        write(map(dated, rows), form, ())
    if not rows:
        note(f"There is no dead letter {id_!r}. `syncpipe dlq list` shows those there are.")
        ctx.exit(Exit.NOTHING)


@dlq.command()
@configured
@form_option
def stats(configuration: Configuration, form: Form) -> None:
    """Count dead letters: by state, and open ones by target and code."""
    with desk(configuration) as opened:
        row = opened.letters.stats()
        now_ms = opened.app.clock.now_ms()
    if form is Form.TABLE:
        click.echo("\n".join(stats_lines(row, now_ms)))
    else:
        write([dated(row)], form, ())


def _end_with_none(ctx: click.Context, app: App, where: str) -> None:
    """Say that there is nothing to list, and end with the code for that."""
    note("No dead letter matches." if where else "There is no open dead letter.")
    _note_waiting(app)
    ctx.exit(Exit.NOTHING)


def _note_waiting(app: App) -> None:
    """Say so if dead letters wait in the broker, and why they may."""
    from syncpipe.core.routing import DEAD_QUEUE
    from syncpipe.errors import SendError

    with contextlib.suppress(SendError), app.broker() as broker:
        if waiting := broker.ready([DEAD_QUEUE]):
            note(f"{waiting} wait in the broker until a worker with this store brings them here.")


def _codes(code: str) -> tuple[str, ...]:
    """Return what may be meant by *code*: 511 is one of ours, and a status of HTTP."""
    code = code.strip()
    return (f"SP-E{code}", code) if len(code) == _DIGITS and code.isdigit() else (code,)


def _line(row: Mapping[str, Any], now_ms: int) -> dict[str, object]:
    """Return a line of a table."""
    return {
        "id": row["id"],
        "state": row["state"],
        "age": age(now_ms - row["last_seen_ms"]),
        "times": row["times_seen"],
        "target": row["target"],
        "record": record(row),
        "code": row["code"],
        "cause": cause(row) or None,
        "message": _short(row["message"]),
    }


def _group_line(row: Mapping[str, Any], now_ms: int) -> dict[str, object]:
    """Return a line of the table of causes."""
    return {
        "fingerprint": row["fingerprint"],
        "letters": f"{row['number']:,}",
        "records": f"{row['records']:,}",
        "age": age(now_ms - row["last_seen_ms"]),
        "24h": sparkline(row["hourly"]),
        "target": row["target"],
        "code": row["code"],
        "cause": cause(row) or None,
        "message": _short(row["message"]),
    }


def _short(message: str | None) -> str | None:
    """Return *message* so that it fits into a table, without what other columns say."""
    if message is None:
        return None
    message = message.removeprefix(_LEAD)
    if len(message) <= _WIDTH:
        return message
    return message[: _WIDTH - 1] + "…"
