"""``syncpipe migrate``: bring the broker to where operations need it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, form_option, note, write

if TYPE_CHECKING:
    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form


@click.command()
@configured
@form_option
@click.pass_context
def migrate(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """Check that the broker can be reached and keeps what it confirms; may run again and again.

    Redis needs nothing to be made in it: its queues come and go with what is in them. Its settings
    are for whoever runs it to change, so this only says which. Tables of a target are made by
    `syncpipe target init`. Exit code 5 says that a setting can lose confirmed operations.
    """
    from syncpipe.ops.durability import findings
    from syncpipe.system import SystemClock
    from syncpipe.transport import durability

    url = configuration.load().settings.broker.url
    found = findings(durability(url, clock=SystemClock()))
    write(
        (
            {"setting": each.name, "value": each.value, "ok": each.ok, "advice": each.advice}
            for each in found
        ),
        form,
        ("setting", "value", "ok", "advice"),
    )
    if not all(each.ok for each in found):
        ctx.exit(Exit.UNHEALTHY)
    note("The broker needs nothing.")
