"""``syncpipe demo``: the main job, on real data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from syncpipe.cli.output import Exit, note
from syncpipe.cli.worker import describe

if TYPE_CHECKING:
    from syncpipe.supervisor import Event


@click.command()
@click.option(
    "--ops", type=click.IntRange(min=1), default=50_000, show_default=True, help="Operations."
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Workers."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides what is drawn.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def demo(ctx: click.Context, ops: int, processes: int, seed: int, *, as_json: bool) -> None:
    """Run real data through the real pipeline on private services, and check every row.

    Redis, PostgreSQL and workers are started for it in a temporary directory and stopped after it,
    also by Ctrl-C; what is configured elsewhere is not touched. Exit code 0 says that no operation
    is lost and every row is as an independent oracle expects it.
    """
    from syncpipe.demo.run import Plan, run
    from syncpipe.demo.summary import summary_text

    plan = Plan(ops, processes, seed)
    summary, verdict = run(plan, note, signals=True, on_event=hear)
    click.echo(json.dumps(summary.as_dict()) if as_json else summary_text(summary, verdict))
    if not summary.ok:
        ctx.exit(Exit.FAILED)


def hear(event: Event) -> None:
    """Write *event* to stderr, unless it is a start or a clean end, which are no news here."""
    if event.kind != "started" and event.status != 0:
        note(describe(event))
