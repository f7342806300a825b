"""``syncpipe dlq``: what changes what becomes of dead letters."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.asking import ask
from syncpipe.cli.desk import How, acting, addressed, dated, desk, reason_option
from syncpipe.cli.dlq_plan import plan_lines
from syncpipe.cli.options import configured, limited
from syncpipe.cli.output import Exit, Form, counted, form_option, note, replacing, write
from syncpipe.cli.progress import Counting
from syncpipe.cli.replaying import carried_out, paced
from syncpipe.cli.times import duration, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncpipe.cli.options import Configuration
    from syncpipe.deadletters.pace import Pace

_DAY_S = 24 * 3600.0


@click.command()
@configured
@form_option
@addressed
@paced
@acting()
@click.option("--detach", is_flag=True, help="Do not wait for its end.")
@click.pass_context
def replay(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    where: str,
    pace: Pace,
    how: How,
    *,
    detach: bool,
) -> None:
    """Send dead letters again: their bytes, id and version, so that nothing newer is overwritten.

    Workers do it, as a job that `syncpipe replay` shows, pauses and cancels; this command watches
    it and ends with exit code 4 if something of it is dead again. Ctrl-C only ends the watching.
    """
    with desk(configuration) as opened:
        plan = opened.letters.replay(where, pace, dry_run=True)
        _settled(ctx, plan, form, "replay these dead letters", how)
        made = opened.letters.replay(where, pace, reason=how.reason)
        ctx.exit(carried_out(opened, made, form, detach=detach))


@click.command()
@configured
@form_option
@addressed
@acting(reason_required=True)
@click.option(
    "--accept-loss", is_flag=True, help="Also those of which the target has nothing newer."
)
@click.pass_context
def discard(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    where: str,
    how: How,
    *,
    accept_loss: bool,
) -> None:
    """Put dead letters away. `dlq restore` brings them back until they are purged.

    If the target has nothing newer for a record, its change would be lost: that takes
    --accept-loss.
    """
    with desk(configuration) as opened:
        asked = functools.partial(
            opened.letters.discard,
            where,
            reason=how.reason,
            progress=Counting("compared with their records"),
        )
        plan = asked(dry_run=True)
        lost = plan["lost"] if not accept_loss else 0
        if lost and not how.dry_run:
            note("\n".join(plan_lines(plan)))
            asked()  # says what to do, and does nothing
        _settled(ctx, plan, form, "discard these dead letters", how)
        done = asked(accept_loss=accept_loss)
    _tell(done, form, f"{counted(done['number'])} discarded.")


@click.command()
@configured
@form_option
@addressed
@acting()
@click.pass_context
def restore(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    where: str,
    how: How,
) -> None:
    """Open discarded dead letters again."""
    with desk(configuration) as opened:
        plan = opened.letters.restore(where, dry_run=True)
        _settled(ctx, plan, form, "restore these dead letters", how)
        done = opened.letters.restore(where, reason=how.reason)
    _tell(done, form, f"{counted(done['number'])} opened again.")


@click.command()
@configured
@form_option
@click.option("--where", default="", metavar="FILTER", help="Only what fits.")
@click.option(
    "--older-than",
    type=duration,
    default=f"{30 * _DAY_S:g}",
    show_default="30d",
    metavar="DURATION",
    help="Put away so long ago at least.",
)
@acting(reason_required=True)
@click.pass_context
def purge(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    where: str,
    older_than: float,
    how: How,
) -> None:
    """Delete for good what was discarded, resolved or edited long ago. Admins may."""
    older_than_ms = round(older_than * 1000)
    with desk(configuration) as opened:
        letters = opened.letters
        plan = letters.purge(where, older_than_ms=older_than_ms, reason=how.reason, dry_run=True)
        _settled(ctx, plan, form, "delete these for good", how)
        done = letters.purge(where, older_than_ms=older_than_ms, reason=how.reason)
    _tell(done, form, f"{counted(done['number'])} deleted for good.")


@click.command()
@configured
@form_option
@click.argument("fingerprint")
@click.option("--for", "seconds", type=duration, metavar="DURATION", help="So long: 2h, 1d.")
@click.option("--off", is_flag=True, help="No longer.")
@reason_option()
def mute(
    configuration: Configuration,
    form: Form,
    fingerprint: str,
    seconds: float | None,
    reason: str,
    *,
    off: bool,
) -> None:
    """Leave a cause out of `dlq groups` for a while: somebody works on it.

    FINGERPRINT is that of `dlq groups`. Its dead letters stay where they are.
    """
    if off is (seconds is not None):
        raise click.UsageError("Say for how long (--for 2h), or --off.")
    with desk(configuration) as opened:
        until_ms = None if seconds is None else opened.app.clock.now_ms() + round(seconds * 1000)
        done = opened.letters.mute(fingerprint, until_ms, reason=reason)
    until = "no longer muted" if until_ms is None else f"muted until {written(until_ms)}"
    _tell(done, form, f"{done['fingerprint']} is {until}.")


@click.command()
@configured
@click.option("--where", default="", metavar="FILTER", help="Only what fits.")
@limited()
@click.option(
    "--file", type=click.Path(path_type=Path, dir_okay=False), help="Instead of stdout, whole."
)
@click.option(
    "--reveal", is_flag=True, help="With values and bytes; admins may, and it is audited."
)
@reason_option()
@click.pass_context
def export(
    ctx: click.Context,
    configuration: Configuration,
    where: str,
    limit: int | None,
    file: Path | None,
    reason: str,
    *,
    reveal: bool,
) -> None:
    """Write everything about dead letters, one JSON object a line. Exit code 3: there is none."""
    with desk(configuration) as opened:
        rows = opened.letters.export(where, reveal=reveal, reason=reason, limit=limit)
        if file is None:
            number = _lines(rows, click.echo)
        else:
            with replacing(file) as stream:
                number = _lines(rows, lambda line: stream.write(line + "\n"))
    note(f"{counted(number)} exported.")
    if not number:
        ctx.exit(Exit.NOTHING)


def _lines(rows: Iterator[Mapping[str, Any]], out: Callable[[str], object]) -> int:
    number, progress = 0, Counting("exported")
    for number, row in enumerate(rows, 1):
        out(json.dumps(dated(row), ensure_ascii=False))
        progress(number)
    return number


def _settled(
    ctx: click.Context,
    plan: Mapping[str, Any],
    form: Form,
    act: str,
    how: How,
) -> None:
    """Show the *plan*, and return if it is to be carried out."""
    number = plan["number"]
    if not number:
        note("No dead letter matches.")
        ctx.exit(Exit.NOTHING)
    if how.dry_run:
        if form is Form.TABLE:
            click.echo("\n".join(plan_lines(plan)))
        else:
            write([dated(plan)], form, ())
        ctx.exit(Exit.OK)
    if not how.yes:
        note("\n".join(plan_lines(plan)))
        note("More or fewer may match by the time it is done.")
        ask(number, act)


def _tell(row: Mapping[str, Any], form: Form, text: str) -> None:
    if form is Form.TABLE:
        click.echo(text)
    else:
        write([dated(row)], form, ())
