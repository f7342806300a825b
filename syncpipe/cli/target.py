"""``syncpipe target``: where operations are applied."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, cast

import click

from syncpipe.cli.options import configured, opened_store
from syncpipe.cli.output import Exit, form_option, note, write

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form
    from syncpipe.ops.management import ManagedTarget


@click.group()
def target() -> None:
    """Prepare, check and look at targets."""


@target.command("list")
@configured
@form_option
@click.pass_context
def list_targets(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """List the declared targets and what is synchronised to each."""
    from syncpipe.settings.tree import type_of

    app = _app(configuration)
    rows = [
        {
            "name": name,
            "type": type_of(options),
            "collections": ", ".join(sorted(app.collections(name))) or None,
        }
        for name, options in sorted(app.settings.targets.items())
    ]
    write(rows, form, ("name", "type", "collections"))
    if not rows:
        note("No target is declared.")
        ctx.exit(Exit.NOTHING)


@target.command()
@configured
@form_option
@click.argument("name")
def init(configuration: Configuration, form: Form, name: str) -> None:
    """Make the tables that syncpipe needs in the target NAME; what is there stays."""
    with _opened(_app(configuration), name) as opened:
        tables = opened.init()
    write([{"table": table} for table in tables], form, ("table",))
    if not tables:
        note("There is nothing to make.")


@target.command()
@configured
@form_option
@click.argument("name")
@click.pass_context
def test(ctx: click.Context, configuration: Configuration, form: Form, name: str) -> None:
    """Check everything that operations need in the target NAME, and change nothing.

    Exit code 5 says that something is not as it should be.
    """
    with _opened(_app(configuration), name) as opened:
        checks = opened.test()
    write(
        ({"check": each.name, "ok": each.ok, "detail": each.detail} for each in checks),
        form,
        ("check", "ok", "detail"),
    )
    if not all(each.ok for each in checks):
        ctx.exit(Exit.UNHEALTHY)


@target.command()
@configured
@form_option
@click.argument("name")
def schema(configuration: Configuration, form: Form, name: str) -> None:
    """Show which tables and columns operations may write in the target NAME."""
    with _opened(_app(configuration), name) as opened:
        rows = [
            {"collection": each.collection, "table": each.table, "column": column, "type": kind}
            for each in opened.describe()
            for column, kind in each.columns
        ]
    write(rows, form, ("collection", "table", "column", "type"))


@target.command()
@configured
@form_option
@click.argument("name")
def collect(configuration: Configuration, form: Form, name: str) -> None:
    """Forget in the target NAME what is older than the horizon of its collection.

    Workers do this by themselves. Keys with a dead letter keep what its replay needs.
    """
    from syncpipe.ops.horizon import collect as collect_target

    app = _app(configuration)
    with app.broker() as broker, opened_store(app) as store, _opened(app, name) as opened:
        collected = collect_target(opened, app.collections(name), broker, store)
    rows = (
        {
            "collection": collection,
            "floor": found.floor,
            "tombstones": found.tombstones,
            "increments": found.increments,
        }
        for collection, found in collected.items()
    )
    write(rows, form, ("collection", "floor", "tombstones", "increments"))


def _app(configuration: Configuration) -> App:
    from syncpipe.app import build

    return build(configuration.load().settings)


def _opened(app: App, name: str) -> AbstractContextManager[ManagedTarget]:
    """Return the target *name*, closed at the end of a block. Raises UnknownTarget."""
    # The pool would warn at every try to reach a database that is down, which we say once.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    return closing(cast("ManagedTarget", app.target(name)))
