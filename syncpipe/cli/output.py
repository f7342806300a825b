"""What commands write, and the exit codes they end with.

Results go to stdout, everything else to stderr. Text is plain: there is no colour to turn off.
"""

from __future__ import annotations

import enum
import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, TYPE_CHECKING, Any

import click

from syncpipe.errors import SendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from syncpipe.errors import SyncpipeError


class Exit(enum.IntEnum):
    """How a command ended."""

    #: All was done.
    OK = 0
    #: Nothing, or not what was asked, was done.
    FAILED = 1
    #: The command line was wrong.
    USAGE = 2
    #: Nothing matched what was asked for.
    NOTHING = 3
    #: A part was done; the output says which.
    PARTIAL = 4
    #: It was done, and what it looked at is not well.
    UNHEALTHY = 5


class Failure(click.ClickException):
    """An error of ours on its way to the terminal."""

    exit_code = Exit.FAILED

    def __init__(self, error: SyncpipeError) -> None:
        """Keep the *error*."""
        super().__init__(error.message)
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Write code, message and what to do next."""
        error = self.error
        click.echo(f"Error {error.code}: {error.message.rstrip()}", file=file, err=file is None)
        click.echo(f"What to do: {error.hint}", file=file, err=file is None)
        if isinstance(error, SendError) and error.operation_id is not None:
            again = f"Send it again with --id {error.operation_id} --version {error.version}"
            click.echo(again, file=file, err=file is None)


class Form(enum.Enum):
    """The form of a result."""

    #: Aligned columns for people.
    TABLE = "table"
    #: One JSON array.
    JSON = "json"
    #: One JSON object a line.
    JSONL = "jsonl"


def form_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a *command* the option ``-o table|json|jsonl``, as the argument ``form``."""
    return click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(Form, case_sensitive=False),
        default=Form.TABLE,
        show_default=Form.TABLE.value,
        help="Form of the result.",
    )(command)


def write(rows: Iterable[Mapping[str, object]], form: Form, columns: Iterable[str]) -> None:
    """Write *rows* to stdout; a table shows *columns*, JSON holds everything that a row has."""
    match form:
        case Form.JSONL:
            for row in rows:
                click.echo(_json(row))
        case Form.JSON:
            click.echo(_json(list(rows), indent=2))
        case Form.TABLE:
            _write_table(list(rows), list(columns))


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Write a file of UTF-8 that takes the place of *path* when the block ends without an error.

    Until then, and otherwise, what is there stays as it was.
    """
    with NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        try:
            yield file
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def counted(number: int, thing: str = "dead letter") -> str:
    """Return *number* of a *thing* in words, such as ``2 dead letters``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def note(text: str) -> None:
    """Write *text* to stderr: progress, warnings, what happens beside the result."""
    click.echo(text, err=True)


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, default=str, ensure_ascii=False, indent=indent)


def _write_table(rows: list[Mapping[str, object]], columns: list[str]) -> None:
    cells = [[column.upper() for column in columns]]
    cells += [[_cell(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def printable(text: str) -> str:
    """Return *text* on one line, with nothing in it that a terminal would obey."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _cell(value: object) -> str:
    return printable("-" if value is None else str(value))


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
