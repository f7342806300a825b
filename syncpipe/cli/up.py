"""``syncpipe up``: the demonstration in a place of its own, which can be kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncpipe.cli.demo import hear
from syncpipe.cli.output import Exit, note

if TYPE_CHECKING:
    from syncpipe.demo.run import Plan
    from syncpipe.demo.stage import Stage

#: Where services, data and logs are.
STATE = Path(".syncpipe")

#: What to try next, and what it does.
_NEXT = (
    ("{syncpipe} demo --ops 200000", "four times as much"),
    ("{syncpipe} init", "a configuration for your own data"),
    ("{syncpipe} --help", "everything else"),
    ("make up KEEP=1", "leave it running, to play with"),
)
_NEXT_KEPT = (
    ("{syncpipe} status", "what waits, and who works"),
    ("{syncpipe} ui", "the same, and dead letters, in the browser"),
    ("""{syncpipe} op send orders 42 '{{"status": "paid"}}' --wait""", "one operation"),
    ("{syncpipe} target schema {target}", "what operations may write"),
    ("{syncpipe} down", "stop it, like `make down`"),
)


@click.command()
@click.option("--keep", is_flag=True, help="Leave services and workers running.")
@click.option(
    "--ops", type=click.IntRange(min=1), default=50_000, show_default=True, help="Operations."
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Workers."
)
@click.pass_context
def up(ctx: click.Context, ops: int, processes: int, *, keep: bool) -> None:
    """Start private services and workers, run the demonstration on them, and check every row.

    It begins with an empty ./.syncpipe, and stops everything at the end, also by Ctrl-C. With
    --keep it runs on until `syncpipe down`, and commands that find no other configuration use it.
    Exit code 0 says that the check has passed.
    """
    from syncpipe.demo.run import Plan
    from syncpipe.embedded import discard

    discard(STATE)
    plan = Plan(operations=ops, processes=processes)
    ok = _kept(plan) if keep else _once(plan)
    if not ok:
        ctx.exit(Exit.FAILED)


def _once(plan: Plan) -> bool:
    """Run *plan* and stop everything; return whether every row is right."""
    from syncpipe.demo.run import hire, open_stage

    with open_stage(STATE, note, signals=True, on_event=hear) as (stage, supervisor):
        hire(stage, supervisor, plan.processes, note)
        ok = _performed(stage, plan)
    click.echo(f"\nWhat to try next:\n{_lines(_NEXT)}")
    return ok


def _kept(plan: Plan) -> bool:
    """Run *plan* and leave everything running, unless we are interrupted or something breaks."""
    from syncpipe.demo.keeping import end_stage, keep_stage
    from syncpipe.supervisor import Supervisor

    # It supervises nothing here, but makes exceptions of signals.
    with Supervisor(signals=True):
        stage = keep_stage(STATE, plan.processes, note)
        try:
            ok = _performed(stage, plan)
        except BaseException:
            end_stage(STATE)
            raise
    dsn = stage.services.dsn
    click.echo(f"\nIt runs on, with its data and logs in {STATE}. What to try next:")
    click.echo(_lines(_NEXT_KEPT))
    click.echo(f"The rows are in the table syncpipe.documents of {dsn}")
    return ok


def _performed(stage: Stage, plan: Plan) -> bool:
    from syncpipe.demo.run import perform
    from syncpipe.demo.summary import summary_text

    summary, verdict = perform(stage, plan, note)
    click.echo(summary_text(summary, verdict))
    return summary.ok


def _lines(proposals: tuple[tuple[str, str], ...]) -> str:
    """Return one line for each command that is proposed, with what it does beside it."""
    from syncpipe.demo.stage import TARGET

    words = {"syncpipe": _program(), "target": TARGET}
    commands = [command.format(**words) for command, _ in proposals]
    width = max(map(len, commands))
    remarks = (remark for _, remark in proposals)
    pairs = zip(commands, remarks, strict=True)
    return "\n".join(f"  {command.ljust(width)}  # {remark}" for command, remark in pairs)


def _program() -> str:
    """Return how to call us from here: the environment need not be activated."""
    program = Path(sys.executable).with_name("syncpipe")
    here = Path.cwd()
    return str(program.relative_to(here)) if program.is_relative_to(here) else str(program)
