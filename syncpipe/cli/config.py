"""``syncpipe config``: show and check the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, Form, form_option, note, write

if TYPE_CHECKING:
    from syncpipe.cli.options import Configuration
    from syncpipe.settings import Mistake


@click.group()
def config() -> None:
    """Show and check the configuration."""


@config.command()
@configured
@form_option
@click.option("--sources", is_flag=True, help="Show where each value comes from.")
def show(configuration: Configuration, form: Form, *, sources: bool) -> None:
    """Show every key with its value; passwords and what stands for them are not shown."""
    loaded = configuration.load()
    columns = ["key", "value", "source"] if sources else ["key", "value"]
    rows = (
        {"key": entry.key, "value": entry.value, "source": str(entry.source)}
        for entry in loaded.entries
    )
    write(({name: row[name] for name in columns} for row in rows), form, columns)


@config.command()
@configured
@form_option
@click.pass_context
def check(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """Report every mistake at once, with file, line and what to write instead."""
    mistakes = configuration.check()
    if not mistakes:
        note("The configuration is right.")
        return
    if form is Form.TABLE:
        click.echo("\n".join(map(str, mistakes)))
    else:
        write(map(_row, mistakes), form, ())
    note(f"{len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}.")
    ctx.exit(Exit.FAILED)


def _row(mistake: Mistake) -> dict[str, object]:
    return {
        "file": mistake.source.name,
        "line": mistake.line,
        "key": mistake.key,
        "mistake": mistake.message,
        "suggestion": mistake.suggestion,
    }


@config.command()
def defaults() -> None:
    """Print a configuration that lists every key with its default and its meaning."""
    from syncpipe.settings.listing import listing

    click.echo(listing(), nl=False)
