"""``syncpipe audit``: what people did, and whether that is still the whole truth."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.options import configured, limited, quiet_pools
from syncpipe.cli.output import Exit, Form, form_option, note, replacing, write
from syncpipe.cli.times import duration, moment, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from syncpipe.app import App
    from syncpipe.audit import AuditLog
    from syncpipe.cli.options import Configuration
    from syncpipe.core.audit import Head
    from syncpipe.store.store import OnCallStore

#: Most entries that a list shows unless told otherwise.
_LIMIT = 50
#: Widest subject and reason in a table.
_WIDTH = 48
_COLUMNS = ("number", "at", "actor", "verb", "subject", "reason")


@click.group()
def audit() -> None:
    """Look at what people did, and verify that nobody has changed it.

    Every act is an entry, written in the transaction that does it, and chained to the one before by
    an HMAC with the key of [audit].
    """


@audit.command()
@configured
@form_option
@click.option("--actor", metavar="NAME", help="Only of this one, such as ann@laptop.")
@click.option("--action", metavar="VERB", help="Only such as dlq.discard, or dlq for all of it.")
@click.option("--since", metavar="AGE|TIME", help="Only since: 90s, 2h, 1d, 2026-03-01T08:00:00Z.")
@limited(_LIMIT)
@click.pass_context
def log(
    ctx: click.Context,
    /,
    configuration: Configuration,
    form: Form,
    since: str | None,
    limit: int,
    **names: str | None,
) -> None:
    """Show what people did, the newest first. Exit code 3 says that there is nothing."""
    from syncpipe.store.audit import Wanted

    with _opened(configuration) as (app, audit_log):
        since_ms = None if since is None else _moment_ms(since, app.clock.now_ms())
        wanted = Wanted(names["actor"], names["action"], since_ms)
        rows = audit_log.log(wanted, limit=limit)
    if form is Form.TABLE and rows:
        write(map(_line, rows), form, _COLUMNS)
    elif form is not Form.TABLE:
        write(map(_dated, rows), form, ())
    if not rows:
        note("Nothing matches." if wanted != Wanted() else "Nobody has done anything yet.")
        ctx.exit(Exit.NOTHING)
    if len(rows) == limit:
        note(f"There may be more than these {limit}: --limit shows them.")


@audit.command()
@configured
@form_option
@click.option("--head", metavar="NUMBER:HMAC", help="The end that it had once, kept elsewhere.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="Verify this export instead; no store is asked. - is stdin.",
)
@click.pass_context
def verify(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    head: str | None,
    file: Path | None,
) -> None:
    """Verify that no entry was changed, inserted or taken out.

    It names the first that is wrong. Exit code 5 says that there is one. What is cut off at the end
    is noticed by --head alone, which says so far the audit went once.
    """
    kept = None if head is None else _head(head)
    if file is None:
        with _opened(configuration) as (_, audit_log):
            found = audit_log.verify(kept)
    else:
        found = _verified(configuration, file, kept)
    if form is Form.TABLE:
        click.echo(_sentence(found))
        note(found["unknown"])
    else:
        write([found], form, ())
    if not found["ok"]:
        ctx.exit(Exit.UNHEALTHY)


@audit.command()
@configured
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False), help="Write this file."
)
def export(configuration: Configuration, target: Path | None) -> None:
    """Write all entries, the oldest first, as JSON lines; the last line is the head.

    Keep it away from the database: `syncpipe audit verify --file` needs nothing but the key.
    """
    with _opened(configuration) as (_, audit_log):
        rows = audit_log.export()
        try:
            with replacing(target) if target else click.open_file("-", "w") as file:
                last = _written_to(file, rows)
        except OSError as error:
            raise click.FileError(str(target or "-"), error.strerror) from error
    note(f"The audit ends at {last['head']}")


@audit.command()
def key() -> None:
    """Print a new random key for [audit]. It is stored nowhere: put it into a file of your own."""
    from syncpipe.audit.keyfile import new_key
    from syncpipe.system import SystemRandom

    click.echo(new_key(SystemRandom()))


@contextlib.contextmanager
def head_noted(store: OnCallStore) -> Iterator[None]:
    """Say on stderr how the audit ends, if the block has acted, for whoever keeps what is said."""
    before, ended = store.audit.head(), None
    try:
        yield
    except click.exceptions.Exit as exit_:
        ended = exit_
    after = store.audit.head()
    if after != before:
        note(f"Audit: {after}")
    if ended is not None:
        raise ended


@contextlib.contextmanager
def _opened(configuration: Configuration) -> Iterator[tuple[App, AuditLog]]:
    """Return the audit of whoever runs this. Raises StoreMissing without a store."""
    from syncpipe.app import build
    from syncpipe.cli.identity import whoever
    from syncpipe.errors import StoreMissing

    quiet_pools()
    app = build(configuration.load().settings)
    store = app.store()
    if store is None:
        raise StoreMissing("The configuration names no store, which is where the audit is.")
    with contextlib.closing(store):
        yield app, app.audit_log(store, whoever(app, store))


def _verified(configuration: Configuration, file: Path, head: Head | None) -> dict[str, Any]:
    """Return what is known of an export."""
    from syncpipe.audit.log import verify_export

    secret = configuration.load().settings.audit.secret()
    with click.open_file(str(file), encoding="utf-8", errors="replace") as lines:
        return verify_export(lines, secret, head)


def _written_to(file: Any, rows: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Write *rows* as JSON lines; return the last one."""
    last: Mapping[str, Any] = {}
    for last in rows:
        file.write(json.dumps(last, ensure_ascii=False) + "\n")
    return last


def _head(text: str) -> Head:
    from syncpipe.core.audit import Head

    try:
        return Head.read(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}", param_hint="--head") from error


def _moment_ms(text: str, now_ms: int) -> int:
    """Return the moment that an age or a time means."""
    if "T" in text or text.count("-") > 1:
        return round(moment(text).timestamp() * 1000)
    return now_ms - round(duration(text) * 1000)


def _sentence(found: Mapping[str, Any]) -> str:
    right = f"Right, up to its end at {found['head']}" if found["entries"] else "There is no entry."
    if found["ok"]:
        return right
    return (
        f"BROKEN at number {found['broken']}. {found['what']}\nRight before it: {found['entries']}."
    )


def _line(row: Mapping[str, Any]) -> dict[str, object]:
    """Return a line of a table."""
    short = {name: _shortened(row[name]) or None for name in ("subject", "reason")}
    return {**row, "at": written(row["at_ms"]), **short}


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def _dated(row: Mapping[str, Any]) -> dict[str, object]:
    """Return *row* with its time as people and programs read it."""
    return {"number": row["number"], "at": written(row["at_ms"]), **row}
