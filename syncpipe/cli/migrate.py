"""``syncpipe migrate``: bring store and broker to where operations need them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, Form, form_option, note, write

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration

    Rows = list[Mapping[str, object]]


@click.command()
@configured
@form_option
@click.option(
    "--post",
    is_flag=True,
    help="Every process is of this release: take from the store what only earlier ones need.",
)
@click.pass_context
def migrate(ctx: click.Context, configuration: Configuration, form: Form, *, post: bool) -> None:
    """Bring store and broker to where operations need them; may run again and again.

    In the store, if the configuration names one, it runs the migrations that are missing, before
    any process of this release starts: all of them, or none if one fails.

    In RabbitMQ it makes the queues of all targets, and what they need; what is there stays, and a
    queue with other properties than ours is an error. Redis needs nothing to be made in it: its
    queues come and go with what is in them. Its settings are for whoever runs it to change, so this
    only says which: exit code 5 says that one can lose confirmed operations. Tables of a target are
    made by `syncpipe target init`.
    """
    from syncpipe.app import build
    from syncpipe.transport.dialect import is_rabbitmq

    app = build(configuration.load().settings)
    parts = [_migrate_store(app, post=post)]
    kept = True
    if is_rabbitmq(app.settings.broker.url):
        parts.append(_declare(app))
    else:
        rows, kept = _durability(app)
        parts.append(rows)
    _write(parts, form)
    if not kept:
        ctx.exit(Exit.UNHEALTHY)


def _write(parts: Sequence[Rows], form: Form) -> None:
    """Write what store and broker have now: a table for each, or all of it as JSON."""
    if form is Form.TABLE:
        for rows in filter(None, parts):
            write(rows, form, rows[0])
    else:
        write((row for rows in parts for row in rows), form, ())


def _migrate_store(app: App, *, post: bool) -> Rows:
    """Run what is missing in the store, if there is one, and say what was run."""
    store = app.store()
    if store is None:
        return []
    with closing(store):
        migrations = store.migrate(post=post)
    ran = sum(each.ran for each in migrations)
    note(f"{ran} migrations of the store were run." if ran else "The store needs nothing.")
    states = {True: "ran", False: "there"}
    return [{"migration": each.name, "state": states[each.ran]} for each in migrations]


def _declare(app: App) -> Rows:
    """Make what is missing in RabbitMQ, and say what was made."""
    from syncpipe.ops.declaring import declare

    with app.broker() as broker:
        declared = declare(broker, app.settings.targets, app.settings.shards)
    made = sum(each.made for each in declared)
    note(f"{made} queues were made." if made else "The broker needs nothing.")
    states = {True: "made", False: "there"}
    return [{"queue": each.queue, "state": states[each.made]} for each in declared]


def _durability(app: App) -> tuple[Rows, bool]:
    """Say what Redis' own settings mean; tell whether they keep what is confirmed."""
    from syncpipe.ops.durability import findings
    from syncpipe.transport import durability

    found = findings(durability(app.settings.broker.url, clock=app.clock))
    kept = all(each.ok for each in found)
    if kept:
        note("The broker needs nothing.")
    return [
        {"setting": each.name, "value": each.value, "ok": each.ok, "advice": each.advice}
        for each in found
    ], kept
