"""``syncpipe explain``: what an error code means and what to do."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import click

from syncpipe.cli.output import Exit, note
from syncpipe.errors import SyncpipeError

if TYPE_CHECKING:
    from collections.abc import Iterator


@click.command()
@click.argument("code", required=False)
@click.option("--page", is_flag=True, help="Print the page of all codes, in Markdown.")
@click.pass_context
def explain(ctx: click.Context, code: str | None, *, page: bool) -> None:
    """Explain an error code, or list them all.

    CODE is a code such as SP-E501, or just 501.
    """
    if page:
        click.echo(error_page(), nl=False)
    elif code is None:
        for error, depth in error_tree():
            click.echo(f"{error.code}  {'  ' * depth}{error.__name__}: {_headline(error)}")
    elif (found := find_error(code)) is not None:
        click.echo(_explanation(found))
    else:
        note(f"There is no code {code!r}. `syncpipe explain` lists them all.")
        ctx.exit(Exit.NOTHING)


def error_tree() -> Iterator[tuple[type[SyncpipeError], int]]:
    """Yield every error with its depth in the tree, each before what it covers, by code."""

    def below(error: type[SyncpipeError], depth: int) -> Iterator[tuple[type[SyncpipeError], int]]:
        yield error, depth
        for child in sorted(error.__subclasses__(), key=lambda each: each.code):
            yield from below(child, depth + 1)

    yield from below(SyncpipeError, 0)


def find_error(code: str) -> type[SyncpipeError] | None:
    """Return the error of a *code*, in any spelling of it, or None."""
    wanted = code.strip().upper().removeprefix("SP-").removeprefix("E")
    return next((error for error, _ in error_tree() if error.code == f"SP-E{wanted}"), None)


def error_page() -> str:
    """Return the page of all codes, in Markdown."""
    sections = (
        f"{'#' * min(depth + 2, 4)} {error.code} {error.__name__}\n\n"
        f"{_meaning(error)}\n\n"
        f"*What to do:* {error.hint}\n*Trying again can help by itself:* {_yes_no(error)}.\n"
        for error, depth in error_tree()
    )
    return _PREFACE + "\n".join(sections)


_PREFACE = """\
# Error codes

Every error of syncpipe has a stable code. `syncpipe explain CODE` prints its entry without a
network. An error covers the ones below it: `except SendError` catches SP-E400 to SP-E406.
This page is written by `syncpipe explain --page`; a test holds it equal to the code.

"""


def _explanation(error: type[SyncpipeError]) -> str:
    again = f"Trying again can help by itself: {_yes_no(error)}."
    meaning = f"{error.code} {error.__name__}\n\n{_meaning(error)}"
    return f"{meaning}\n\nWhat to do: {error.hint}\n{again}"


def _meaning(error: type[SyncpipeError]) -> str:
    return inspect.cleandoc(error.__doc__ or "")


def _headline(error: type[SyncpipeError]) -> str:
    return _meaning(error).partition("\n")[0]


def _yes_no(error: type[SyncpipeError]) -> str:
    return "yes" if error.retryable else "no"
