"""``syncpipe dlq``: the dead letters that the store keeps."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.options import configured, opened_store
from syncpipe.cli.output import Exit, Form, form_option, note, write
from syncpipe.cli.times import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration
    from syncpipe.store.store import Store

#: Most letters that a list shows unless told otherwise.
_LIMIT = 50
#: Widest message in a table.
_WIDTH = 60
_COLUMNS = ("id", "age", "times", "target", "record", "code", "cause", "message")


@click.group()
def dlq() -> None:
    """Look at what was given up: each dead letter, and why.

    Workers bring dead letters from the broker into the store. What is in an operation is not shown:
    fields by name and type alone, messages without values.
    """


@dlq.command("list")
@configured
@form_option
@click.option("--target", help="Only of this target.")
@click.option("--collection", help="Only of this collection.")
@click.option("--code", help="Only with this error code, such as SP-E511, or just 511.")
@click.option("--fingerprint", help="Only of this cause, as `dlq show` tells it.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_LIMIT,
    show_default=True,
    help="At most so many.",
)
@click.pass_context
def list_letters(
    ctx: click.Context,
    /,
    configuration: Configuration,
    form: Form,
    code: str | None,
    limit: int,
    **wanted: str | None,
) -> None:
    """List dead letters, the newest first. Exit code 3 says that there is none.

    AGE is the time since it was given up last, TIMES how often it was.
    """
    from syncpipe.app import build
    from syncpipe.ops.letters import listed, summary
    from syncpipe.store.deadletters import Choice

    app = build(configuration.load().settings)
    choice = Choice(code=code and _full(code), **wanted)
    with _opened(app) as store:
        rows = [summary(entry) for entry in listed(store.dead_letters, choice, limit=limit)]
    if form is Form.TABLE and rows:
        now_ms = app.clock.now_ms()
        write((_line(row, now_ms) for row in rows), form, _COLUMNS)
    elif form is not Form.TABLE:
        write(map(_dated, rows), form, ())
    if not rows:
        note("No dead letter matches." if choice != Choice() else "There is no dead letter.")
        _note_waiting(app)
        ctx.exit(Exit.NOTHING)
    if len(rows) == limit:
        note(f"There may be more than these {limit}: --limit shows them.")


@dlq.command()
@configured
@form_option
@click.argument("id_", metavar="ID")
@click.pass_context
def show(ctx: click.Context, configuration: Configuration, form: Form, id_: str) -> None:
    """Show everything about a dead letter, but not what is in its operation.

    ID is its own id or that of its operation, which may have one for each target. Exit code 3 says
    that there is none.
    """
    from syncpipe.app import build
    from syncpipe.ops.letters import description

    app = build(configuration.load().settings)
    with _opened(app) as store:
        rows = [description(kept) for kept in store.dead_letters.find(id_)]
    if form is Form.TABLE:
        now_ms = app.clock.now_ms()
        click.echo("\n\n".join("\n".join(_page(row, now_ms)) for row in rows), nl=bool(rows))
    else:
        write(({**_dated(row), "hint": _hint(row["code"])} for row in rows), form, ())
    if not rows:
        note(f"There is no dead letter {id_!r}. `syncpipe dlq list` shows those there are.")
        ctx.exit(Exit.NOTHING)


@contextlib.contextmanager
def _opened(app: App) -> Iterator[Store]:
    """Return the store, closed at the end of a block. Raises StoreMissing without one."""
    from syncpipe.errors import StoreMissing

    with opened_store(app) as store:
        if store is None:
            raise StoreMissing(
                "The configuration names no store: dead letters stay in the broker, in sp.dead."
            )
        yield store


def _note_waiting(app: App) -> None:
    """Say so if dead letters wait in the broker, and why they may."""
    from syncpipe.core.routing import DEAD_QUEUE
    from syncpipe.errors import SendError

    with contextlib.suppress(SendError), app.broker() as broker:
        if waiting := broker.ready([DEAD_QUEUE]):
            note(f"{waiting} wait in the broker until a worker with this store brings them here.")


def _full(code: str) -> str:
    """Return an error code in its full spelling."""
    return "SP-E" + code.strip().upper().removeprefix("SP-").removeprefix("E")


def _line(row: Mapping[str, Any], now_ms: int) -> dict[str, object]:
    """Return a line of a table."""
    message = row["message"]
    if message is not None and len(message) > _WIDTH:
        message = message[: _WIDTH - 1] + "…"
    return {
        "id": row["id"],
        "age": _age(now_ms - row["last_seen_ms"]),
        "times": row["times_seen"],
        "target": row["target"],
        "record": _record(row),
        "code": row["code"],
        "cause": _cause(row) or None,
        "message": message,
    }


def _page(row: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    """Yield the lines of what is shown of one letter."""
    yield f"Dead letter {row['id']}, {row['state']}"
    for name, text in _facts(row, now_ms).items():
        if text:
            yield f"  {name:<12}{text}"
    yield f"  {'attempts':<12}{len(row['attempts'])} known"
    for each in row["attempts"]:
        took = f" after {each['duration_ms']} ms" if each["duration_ms"] else ""
        where = f"{written(each['at_ms'])}  {each['worker']}{took}"
        yield f"    {where}: {each['code']} {each['message']}"
    operation = row["operation"]
    if operation is not None and operation["fields"] is not None:
        yield f"  {'fields':<12}values are not shown"
        yield from (f"    {name}: {kind}" for name, kind in operation["fields"].items())


def _facts(row: Mapping[str, Any], now_ms: int) -> dict[str, str | None]:
    operation = row["operation"]
    kind = f"{operation['kind']}, version {row['version']}, " if operation else "none to be read, "
    first, last = row["first_seen_ms"], row["last_seen_ms"]
    return {
        "record": _record(row),
        "target": row["target"],
        "queue": row["queue"],
        "operation": f"{kind}{row['bytes']:,} bytes",
        "id": row["operation_id"],
        "group": operation["group_id"] if operation else None,
        "why": f"{row['code']} {row['message']}",
        "cause": _cause(row),
        "what to do": _hint(row["code"]),
        "given up": f"{row['times_seen']} times, by {row['stage']} in {row['worker']}",
        "first": f"{written(first)}, {_age(now_ms - first)} ago",
        "last": f"{written(last)}, {_age(now_ms - last)} ago",
        "fingerprint": row["fingerprint"],
        "trace": row["trace"],
    }


def _record(row: Mapping[str, Any]) -> str | None:
    return None if row["collection"] is None else f"{row['collection']}/{row['key']}"


def _cause(row: Mapping[str, Any]) -> str:
    """Return what the target named: SQLSTATE and constraint, status and endpoint."""
    names = ("sqlstate", "constraint", "status", "endpoint")
    return " ".join(str(row[name]) for name in names if row[name] is not None)


def _hint(code: str) -> str | None:
    from syncpipe.cli.explain import find_error

    error = find_error(code)
    return None if error is None else error.hint


def _dated(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return *row* with its times as people and programs read them."""
    times = {f"{name}_seen": written(row[f"{name}_seen_ms"]) for name in ("first", "last")}
    attempts = [
        {"at": written(each["at_ms"]), **{n: v for n, v in each.items() if n != "at_ms"}}
        for each in row.get("attempts", ())
    ]
    kept = {name: v for name, v in row.items() if name not in {"first_seen_ms", "last_seen_ms"}}
    return {**kept, **times, **({"attempts": attempts} if attempts else {})}


def _age(milliseconds: int) -> str:
    """Return a duration in its largest unit."""
    seconds = max(0, milliseconds // 1000)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
