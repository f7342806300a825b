"""``syncpipe demo``: the main job, on real data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from syncpipe.cli.output import Exit, note
from syncpipe.cli.times import duration
from syncpipe.cli.worker import describe

if TYPE_CHECKING:
    from fractions import Fraction

    from syncpipe.supervisor import Event


#: The longest outage, seconds.
_LONGEST_S = 3600.0


def share(_ctx: click.Context, _parameter: click.Parameter, text: str) -> Fraction:
    """Return the share that is written as a percentage in *text*."""
    from fractions import Fraction

    from syncpipe.demo.poison import MOST

    number, sign, rest = text.partition("%")
    try:
        found = Fraction(number) / 100
    except (ValueError, ZeroDivisionError):
        found = Fraction(-1)
    if not sign or rest or not 0 <= found <= MOST:
        raise click.BadParameter(f"{text!r} is no percentage from 0% to 50%, such as 1%.")
    return found


def outage(_ctx: click.Context, _parameter: click.Parameter, text: str) -> float:
    """Return the seconds of the duration *text*."""
    seconds = duration(text)
    if not 0 <= seconds <= _LONGEST_S:
        raise click.BadParameter(f"{text!r} is not between 0s and {_LONGEST_S:g}s.")
    return seconds


@click.command()
@click.option(
    "--ops", type=click.IntRange(min=1), default=50_000, show_default=True, help="Operations."
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Workers."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Decides what is drawn.")
@click.option(
    "--poison",
    callback=share,
    default="0%",
    metavar="PERCENT",
    show_default=True,
    help="Share of operations that the target has to refuse.",
)
@click.option(
    "--outage",
    "outage_s",
    callback=outage,
    default="0s",
    metavar="DURATION",
    show_default=True,
    help="Stops the target for so long in the middle.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def demo(
    ctx: click.Context,
    ops: int,
    processes: int,
    seed: int,
    poison: Fraction,
    outage_s: float,
    *,
    as_json: bool,
) -> None:
    """Run real data through the real pipeline on private services, and check every row.

    Redis, PostgreSQL and workers are started for it in a temporary directory and stopped after it,
    also by Ctrl-C; what is configured elsewhere is not touched. Exit code 0 says that no operation
    is lost, every row is as an independent oracle expects it, and as many operations are dead
    letters as --poison has the target refuse.
    """
    from syncpipe.demo.run import Plan, run
    from syncpipe.demo.summary import summary_text

    plan = Plan(ops, processes, seed, poison, outage_s)
    summary, verdict = run(plan, note, signals=True, on_event=hear)
    click.echo(json.dumps(summary.as_dict()) if as_json else summary_text(summary, verdict))
    if not summary.ok:
        ctx.exit(Exit.FAILED)


def hear(event: Event) -> None:
    """Write *event* to stderr, unless it is a start or a clean end, which are no news here."""
    if event.kind != "started" and event.status != 0:
        note(describe(event))
