"""``syncpipe op send-many``: send a file, and what it shares with ``op send``."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, form_option, note, replacing, write
from syncpipe.cli.times import timed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from syncpipe.app import App, Client
    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form
    from syncpipe.core.collection import Collection
    from syncpipe.ops.records import Format
    from syncpipe.ops.sending import Send, Sent
    from syncpipe.ops.shaping import Change, Shape
    from syncpipe.settings import Settings

#: Milliseconds that an operation of a file waits for others of its queue.
_LINGER_MS = 100.0
_OPTIONS = (
    click.option(
        "--op",
        "kind",
        type=click.Choice(["upsert", "patch", "delete", "increment"]),
        default="upsert",
        show_default=True,
        help="What it does.",
    ),
    click.option(
        "--priority",
        type=click.Choice(["critical", "high", "normal", "low"]),
        help="Default: the collection's.",
    ),
    click.option(
        "--decimals", is_flag=True, help="Read numbers with a fraction as exact decimals."
    ),
)


@dataclass(frozen=True, slots=True)
class _Order:
    """The command line of `send_many`."""

    source: IO[bytes]
    collection: str
    key: str | None
    file_format: Format | None
    kind: str
    version_field: str | None
    failed: Path | None
    priority: str | None
    decimals: bool
    timeout: float
    delay: float | None
    not_before: dt.datetime | None
    expires_in: float | None


def op_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a *command* ``--op`` (as ``kind``), ``--priority`` and ``--decimals``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def exact(kind: str, *, decimals: bool) -> bool:
    """Whether fractions are read as decimals; amounts of increments always are."""
    return decimals or kind == "increment"


def declared(app: App, name: str) -> Collection:
    """Return the collection *name*. Raises UnknownCollection."""
    from syncpipe.errors import UnknownCollection

    collections = app.settings.collections
    if name not in collections:
        known = ", ".join(sorted(collections)) or "none"
        raise UnknownCollection(f"There is no collection {name!r}; declared: {known}.")
    return collections[name]


@click.command()
@configured
@form_option
@click.option(
    "--from", "source", type=click.File("rb"), required=True, help="File, or - for stdin."
)
@click.option("--collection", required=True, help="Collection of every record.")
@click.option("--key", metavar="FIELD[,FIELD]", help="Fields of the key. Default: as declared.")
@click.option(
    "--format", "file_format", type=click.Choice(["jsonl", "csv"]), help="Default: by its name."
)
@op_options
@timed
@click.option("--version-field", metavar="FIELD", help="Field that holds the version.")
@click.option(
    "--failed",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the lines that are to be sent again to FILE, with id and version.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds for which an operation may stay unconfirmed.",
)
@click.pass_context
def send_many(
    ctx: click.Context, /, configuration: Configuration, form: Form, **options: Any
) -> None:
    """Send every record of a file of JSON lines or CSV, also with gzip (NAME.gz).

    The fields of the key and of the version are taken out of a record, the others are its data.
    What is wrong with a line is reported on stderr, and the rest goes on; when the broker stops
    taking operations, nothing more is sent. What is to be sent again is in the FILE of --failed
    then: send that in the same way, and nothing is doubled. Exit codes: 0 all were confirmed, 4 a
    part, 1 none, 3 there were no records.
    """
    from syncpipe.app import build

    order = _Order(**options)
    settings = configuration.load().settings
    collection = declared(build(settings), order.collection)
    shape = shape_of(collection, order.kind, order.key, order.version_field)
    try:
        with replacing(order.failed) if order.failed else nullcontext() as failed:
            sent = _send(order, shape, settings, failed)
    except OSError as error:
        raise click.FileError(str(order.failed), error.strerror) from error
    row = {
        "records": sent.read,
        "confirmed": sent.confirmed,
        "refused": sent.refused,
        "unconfirmed": sent.unconfirmed,
    }
    write([row], form, row)
    ctx.exit(_exit_code(sent, order.failed))


def _send(order: _Order, shape: Shape, settings: Settings, failed: IO[str] | None) -> Sent:
    """Send the file, and write what is left of it to *failed*."""
    from syncpipe.app import Client
    from syncpipe.cli.progress import FileProgress
    from syncpipe.ops.records import read, unpacked
    from syncpipe.ops.sending import Sending
    from syncpipe.producer.options import LINGER_PART

    name = order.source.name
    rows = read(
        unpacked(order.source, name),
        order.file_format or format_of(name),
        exact=exact(order.kind, decimals=order.decimals),
    )
    linger_ms = max(settings.client.linger_ms, _LINGER_MS)
    client_options = replace(
        settings.client,
        linger_ms=min(linger_ms, order.timeout * 1000 * LINGER_PART),
        delivery_timeout_s=order.timeout,
    )
    with (
        Client(replace(settings, client=client_options)) as client,
        FileProgress(order.source) as progress,
    ):
        sending = Sending(
            _sender(client, order),
            shape,
            report=progress.report,
            progress=progress.advance,
            keep=failed.write if failed else None,
        )
        # Closed, the client gives up what is not confirmed, and says so.
        return sending.run(rows, client.close)


def shape_of(
    collection: Collection, kind: str, key_fields: str | None, version_field: str | None
) -> Shape:
    """Return how records become operations. Raises UsageError for what cannot fit any record."""
    from syncpipe.core.collection import VersionSource
    from syncpipe.core.operation import KINDS
    from syncpipe.ops.shaping import Shape

    key = tuple(key_fields.split(",")) if key_fields else collection.key
    if len(key) != len(collection.key):
        names = ", ".join(collection.key)
        raise click.UsageError(f"The key of {collection.name} has the parts {names}.")
    if (version_field is not None) is not (collection.version is VersionSource.SOURCE):
        raise click.UsageError(
            f"{collection.name} takes its versions from the source: name --version-field."
            if version_field is None
            else f"{collection.name} makes its own versions: leave --version-field out."
        )
    return Shape(KINDS[kind], key, version_field)


def format_of(name: str) -> Format:
    """Return the form of a file of this *name*."""
    return "csv" if name.removesuffix(".gz").endswith(".csv") else "jsonl"


def _sender(client: Client, order: _Order) -> Send:
    """Return what gives a change to *client*."""
    verb = getattr(client, order.kind)

    def give(change: Change, listener: Any) -> object:
        return verb(
            order.collection,
            change.key,
            *(() if change.data is None else (change.data,)),
            id=change.id,
            version=change.version,
            priority=order.priority,
            delay=order.delay,
            not_before=order.not_before,
            expires_in=order.expires_in,
            on_delivery=listener,
        )

    return give


def _exit_code(sent: Sent, failed: Path | None) -> Exit:
    """Return the code for what became of the file; say on stderr what a number cannot."""
    if sent.stopped_at is not None:
        note(f"Nothing was sent after line {sent.stopped_at}: the broker takes no operations.")
    if failed is not None and (sent.unconfirmed or sent.stopped_at is not None):
        note(f"Send {failed} in the same way: it holds what is left, with id and version.")
    elif sent.unconfirmed:
        note("What is sent again without its id and version may count twice: --failed keeps them.")
    if not sent.read:
        note("There were no records.")
        return Exit.NOTHING
    if not sent.confirmed:
        return Exit.FAILED
    whole = sent.confirmed == sent.read and sent.stopped_at is None
    return Exit.OK if whole else Exit.PARTIAL
