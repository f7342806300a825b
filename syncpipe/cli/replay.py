"""``syncpipe replay``: the jobs that send dead letters again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.desk import age, dated, desk, reason_option
from syncpipe.cli.options import configured, limited
from syncpipe.cli.output import Exit, Form, form_option, note, write
from syncpipe.cli.replaying import outcomes
from syncpipe.cli.times import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncpipe.cli.options import Configuration
    from syncpipe.replay.service import Replays

#: Most replays that a list shows unless told otherwise.
_LIMIT = 20
#: Outcomes after which a dead letter is open again.
_BAD = frozenset({"dead", "too_late", "expired"})
_COLUMNS = ("id", "age", "state", "total", "sent", "outcomes", "by", "filter")


@click.group()
def replay() -> None:
    """Look at the jobs that send dead letters again; pause, resume and cancel them.

    `syncpipe dlq replay` makes them. The workers send what they have taken; nobody has to watch.
    """


@replay.command("list")
@configured
@form_option
@click.option("--active", is_flag=True, help="Only those that have not ended.")
@limited(_LIMIT)
@click.pass_context
def list_replays(
    ctx: click.Context, /, configuration: Configuration, form: Form, limit: int, *, active: bool
) -> None:
    """List replays, the newest first. Exit code 3 says that there is none."""
    with _opened(configuration) as (replays, now_ms):
        rows = replays.list(limit=limit, active=active)
    if form is not Form.TABLE:
        write(map(dated, rows), form, ())
    elif rows:
        write((_line(row, now_ms) for row in rows), form, _COLUMNS)
    if not rows:
        note("No replay is active." if active else "There is no replay.")
        ctx.exit(Exit.NOTHING)


@replay.command()
@configured
@form_option
@click.argument("id_", metavar="ID")
@click.pass_context
def show(ctx: click.Context, configuration: Configuration, form: Form, id_: str) -> None:
    """Show a replay: what it does, what it waits for, and what became of its letters.

    The first 8 digits of its ID are enough. Exit code 3 says that there is none, 5 that it stopped
    by itself.
    """
    with _opened(configuration) as (replays, now_ms):
        row = replays.show(id_)
    if row is None:
        note(f"There is no replay {id_!r}. `syncpipe replay list` shows those there are.")
        ctx.exit(Exit.NOTHING)
    _write(row, form, now_ms)
    if row["state"] == "paused" and row["stopped"]:
        ctx.exit(Exit.UNHEALTHY)


@replay.command()
@configured
@form_option
@click.argument("id_", metavar="ID")
@reason_option()
def pause(configuration: Configuration, form: Form, id_: str, reason: str) -> None:
    """Send nothing more of a replay until it is resumed."""
    with _opened(configuration) as (replays, now_ms):
        _write(replays.pause(id_, reason), form, now_ms)


@replay.command()
@configured
@form_option
@click.argument("id_", metavar="ID")
@reason_option()
def resume(configuration: Configuration, form: Form, id_: str, reason: str) -> None:
    """Go on with a replay, also after it stopped by itself.

    What has died until now no longer counts for its error rate.
    """
    with _opened(configuration) as (replays, now_ms):
        _write(replays.resume(id_, reason), form, now_ms)


@replay.command()
@configured
@form_option
@click.argument("id_", metavar="ID")
@reason_option(required=True)
def cancel(configuration: Configuration, form: Form, id_: str, reason: str) -> None:
    """End a replay. What it has not sent is open again; what it has sent is not taken back."""
    with _opened(configuration) as (replays, now_ms):
        _write(replays.cancel(id_, reason), form, now_ms)


@contextlib.contextmanager
def _opened(configuration: Configuration) -> Iterator[tuple[Replays, int]]:
    """Open the store; return its replays for whoever runs the command, and the time."""
    with desk(configuration) as opened:
        app = opened.app
        yield app.replays(opened.store, opened.identity), app.clock.now_ms()


def _write(row: Mapping[str, Any], form: Form, now_ms: int) -> None:
    if form is Form.TABLE:
        click.echo("\n".join(_page(row, now_ms)))
    else:
        write([dated(row)], form, ())


def _line(row: Mapping[str, Any], now_ms: int) -> dict[str, object]:
    """Return a line of a table."""
    return {
        **row,
        "id": row["id"],
        "age": age(now_ms - row["created_ms"]),
        "outcomes": outcomes(row) or None,
        "by": row["actor"],
        "filter": row["filter"] or None,
    }


def _page(row: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    """Yield the lines of what is shown of one replay."""
    yield f"Replay {row['id']}, {row['state']}"
    facts = {
        "stopped" if row["state"] == "paused" else "now": row["stopped"],
        "letters": f"{row['total']:,}, {row['sent']:,} sent, {row['settled']:,} with an outcome",
        "outcomes": outcomes(row),
        "filter": row["filter"],
        "how": ", ".join(_how(row)),
        "made by": f"{row['actor']}, {age(now_ms - row['created_ms'])} ago",
        "why": row["reason"],
        "ended": row["ended_ms"] and written(row["ended_ms"]),
        "look at": _BAD & row["outcomes"].keys()
        and f"syncpipe dlq list 'replay:{row['id'][:8]} state:open'",
    }
    yield from (f"  {name:<12}{text}" for name, text in facts.items() if text)


def _how(row: Mapping[str, Any]) -> Iterator[str]:
    if row["limit"] is not None:
        yield f"at most {row['limit']:,}"
    if row["rate"] is not None:
        yield f"{row['rate']:g}/s"
    if row["canary"]:
        yield f"canary of {row['canary']:,}"
    yield f"pauses when more than {row['stop_on_error_rate'] * 100:g}% of them are dead again"
    yield "as of now" if row["as_of_now"] else "with the versions that they have"
