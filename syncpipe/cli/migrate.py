"""``syncpipe migrate``: bring the broker to where operations need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, form_option, note, write

if TYPE_CHECKING:
    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form
    from syncpipe.settings import Settings


@click.command()
@configured
@form_option
@click.pass_context
def migrate(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """Bring the broker to where operations need it; may run again and again.

    In RabbitMQ it makes the queues of all targets, and what they need; what is there stays, and a
    queue with other properties than ours is an error. Redis needs nothing to be made in it: its
    queues come and go with what is in them. Its settings are for whoever runs it to change, so this
    only says which: exit code 5 says that one can lose confirmed operations. Tables of a target are
    made by `syncpipe target init`.
    """
    from syncpipe.transport.dialect import is_rabbitmq

    settings = configuration.load().settings
    if is_rabbitmq(settings.broker.url):
        _declare(settings, form)
    elif not _keeps_everything(settings, form):
        ctx.exit(Exit.UNHEALTHY)


def _declare(settings: Settings, form: Form) -> None:
    """Make what is missing in RabbitMQ, and say what was made."""
    from syncpipe.app import build
    from syncpipe.ops.declaring import declare

    with build(settings).broker() as broker:
        declared = declare(broker, settings.targets, settings.shards)
    states = {True: "made", False: "there"}
    write(
        ({"queue": each.queue, "state": states[each.made]} for each in declared),
        form,
        ("queue", "state"),
    )
    made = sum(each.made for each in declared)
    note(f"{made} queues were made." if made else "The broker needs nothing.")


def _keeps_everything(settings: Settings, form: Form) -> bool:
    """Say what Redis' own settings mean; return whether they keep what is confirmed."""
    from syncpipe.ops.durability import findings
    from syncpipe.system import SystemClock
    from syncpipe.transport import durability

    found = findings(durability(settings.broker.url, clock=SystemClock()))
    write(
        (
            {"setting": each.name, "value": each.value, "ok": each.ok, "advice": each.advice}
            for each in found
        ),
        form,
        ("setting", "value", "ok", "advice"),
    )
    kept = all(each.ok for each in found)
    if kept:
        note("The broker needs nothing.")
    return kept
