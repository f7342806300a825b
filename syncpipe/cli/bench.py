"""``syncpipe bench``: how fast it is here, beside what PostgreSQL itself can take."""

from __future__ import annotations

import json

import click

from syncpipe.cli.output import Exit, note


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the results as one JSON object.")
@click.option("--short", is_flag=True, help="Small numbers of operations: to see that it works.")
@click.option(
    "--repeat",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Measure everything so many times, in turns; medians are shown.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="WORKLOAD",
    help="Measure this workload, or series, alone; repeatable.",
)
@click.pass_context
def bench(
    ctx: click.Context, only: tuple[str, ...], repeat: int, *, as_json: bool, short: bool
) -> None:
    """Measure how fast it is here, beside what PostgreSQL itself can take.

    Redis, PostgreSQL and workers are started for each measurement in a temporary directory and
    stopped after it. Row *limit* is our own target alone, *raw* a bare loop around one statement
    that refuses what is stale. Series in which the backlog, collections, processes or lanes grow
    are measured once, and not in the short form. Every row that is written is checked; exit code 1
    says that one is wrong.
    """
    from syncpipe.bench.machine import machine
    from syncpipe.bench.plan import ONCE, cells, measure
    from syncpipe.bench.report import as_object, collected, faults, table
    from syncpipe.bench.scale import FULL, SHORT

    scale = SHORT if short else FULL
    known = {workload for workload, _ in cells(scale)}
    if unknown := set(only) - known:
        raise click.UsageError(
            f"There is no workload {min(unknown)!r}; there are: {', '.join(sorted(known))}."
        )
    here, runs = machine(), []
    for number in range(repeat):
        for workload, system in cells(scale):
            if (not only or workload in only) and not (number and workload in ONCE):
                note(f"{workload} / {system}")
                measured = measure(workload, system, scale, lambda _: None)
                runs.append((workload, system, measured.as_dict()))
    results = collected(runs, {})
    content = as_object(here, results)
    click.echo(json.dumps(content) if as_json else table(content))
    for fault in faults(results):
        note(f"FAILED {fault}")
        ctx.exit(Exit.FAILED)
