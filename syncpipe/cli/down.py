"""``syncpipe down``: stop what ``syncpipe up`` runs."""

from __future__ import annotations

import click

from syncpipe.cli.output import note
from syncpipe.cli.up import STATE


@click.command()
def down() -> None:
    """Stop the services and workers of ./.syncpipe; their data stays until the next `up`."""
    from syncpipe.demo.keeping import end_stage

    note("Stopped." if end_stage(STATE) else "Nothing is running.")
