"""``syncpipe dictionary``: what makes small envelopes smaller."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

from syncpipe.cli.op_file import declared, exact, format_of, op_options, shape_of
from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, Form, form_option, note, write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration
    from syncpipe.dictionaries import Directory
    from syncpipe.ops.records import Format
    from syncpipe.ops.training import Sampler


@click.group()
def dictionary() -> None:
    """Learn from samples how small envelopes become smaller, and show what was learned."""


@dictionary.command()
@click.argument("collection")
@configured
@form_option
@click.option(
    "--from", "source", type=click.File("rb"), required=True, help="File, or - for stdin."
)
@click.option("--key", metavar="FIELD[,FIELD]", help="Fields of the key. Default: as declared.")
@click.option(
    "--format", "file_format", type=click.Choice(["jsonl", "csv"]), help="Default: by its name."
)
@op_options
@click.option("--version-field", metavar="FIELD", help="Field that holds the version.")
def train(
    collection: str, configuration: Configuration, form: Form, source: IO[bytes], **options: Any
) -> None:
    """Make a dictionary from a file of records of COLLECTION, and show what it saves.

    The file is one that `syncpipe op send-many` would send; its first 20,000 records are looked at,
    so give them in no order. Three quarters of them are samples, the savings are measured on the
    rest: bytes of whole envelopes. The dictionary is written into the directory that the
    configuration names as `dictionaries`, for nobody else to read: it holds pieces of the records.

    No client uses it until the configuration of COLLECTION names it as `dictionary`. Before that,
    every worker must have the file.
    """
    from syncpipe.app import build
    from syncpipe.ops.training import Sampler
    from syncpipe.ops.training import train as learn

    app = build(configuration.load().settings)
    subject = declared(app, collection)
    kind, version_field = options["kind"], options["version_field"]
    shape = shape_of(subject, kind, options["key"], version_field)
    sampler = Sampler(subject, shape, app.clock, app.random)
    form_of_file = options["file_format"] or format_of(source.name)
    fractions = exact(kind, decimals=options["decimals"])
    trained = learn(list(_samples(source, form_of_file, sampler, exact_fractions=fractions)))
    try:
        name, path = app.dictionaries().add(collection, trained.dictionary)
    except OSError as error:
        raise click.FileError(app.settings.dictionaries, error.strerror) from error
    rows = [
        {
            "dictionary": name,
            "operations": each.operations,
            "plain": each.plain,
            "compressed": each.compressed,
            "part": round(each.compressed / each.plain, 2),
        }
        for each in trained.savings
    ]
    write(rows, form, ["operations", "plain", "compressed", "part"])
    note(f"Wrote {path}, {len(trained.dictionary.content):,} bytes, with pieces of the records.")
    note(f"Copy it to every worker, then configure collections.{collection}.dictionary = {name!r}.")


@dictionary.command("list")
@configured
@form_option
@click.pass_context
def list_(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """Show the dictionaries that this machine has, and those that it should have.

    Exit code 5 says that one is damaged, or that the configuration names one that is not there.
    """
    from syncpipe.app import build

    rows = list(_listed(build(configuration.load().settings)))
    write(rows, form, ["dictionary", "bytes", "used_by", "state"])
    if any(row["state"] != "ready" for row in rows):
        ctx.exit(Exit.UNHEALTHY)


def _samples(
    source: IO[bytes], file_format: Format, sampler: Sampler, *, exact_fractions: bool
) -> Iterator[bytes]:
    """Yield samples from a file; what is wrong with a line is told, and the next one is read."""
    from syncpipe.cli.progress import FileProgress
    from syncpipe.errors import InvalidOperation
    from syncpipe.ops.records import BadLine, read, unpacked
    from syncpipe.ops.training import MOST_BYTES, MOST_SAMPLES

    rows = read(unpacked(source, source.name), file_format, exact=exact_fractions)
    number = size = 0
    with FileProgress(source) as progress:
        for row in rows:
            try:
                if isinstance(row, BadLine):
                    progress.report(row)
                    continue
                sample = sampler.sample(row.fields)
            except InvalidOperation as error:
                progress.report(BadLine(row.line, error))
                continue
            yield sample
            number, size = number + 1, size + len(sample)
            if number == MOST_SAMPLES or size > MOST_BYTES:
                return


def _listed(app: App) -> Iterator[dict[str, object]]:
    directory = app.dictionaries()
    used: dict[str, list[str]] = {}
    for each in app.settings.collections.values():
        if each.dictionary:
            used.setdefault(each.dictionary, []).append(each.name)
    try:
        there = directory.names()
    except OSError as error:
        raise click.FileError(app.settings.dictionaries, error.strerror) from error
    for name in sorted({*there, *used}):
        size, state = _looked_at(directory, name)
        used_by = ", ".join(used.get(name, [])) or None
        yield {"dictionary": name, "bytes": size, "used_by": used_by, "state": state}


def _looked_at(directory: Directory, name: str) -> tuple[int | None, str]:
    from syncpipe.errors import DictionaryMissing, DictionaryUnreadable

    try:
        return len(directory.named(name).content), "ready"
    except (DictionaryMissing, DictionaryUnreadable) as error:
        return None, error.message
