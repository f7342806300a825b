"""``syncpipe op``: send operations."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.op_file import declared, exact, op_options, send_many
from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, form_option, note, write
from syncpipe.cli.times import timed

if TYPE_CHECKING:
    import datetime as dt

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form
    from syncpipe.producer.receipt import Receipt


@dataclass(frozen=True, slots=True)
class _Order:
    """The command line of `send`."""

    collection: str
    key: str
    data: str | None
    kind: str
    priority: str | None
    version: int | None
    operation_id: str | None
    decimals: bool
    wait: bool
    timeout: float
    delay: float | None
    not_before: dt.datetime | None
    expires_in: float | None


@click.group()
def op() -> None:
    """Send operations: one, or a file of them."""


op.add_command(send_many)


@op.command()
@configured
@form_option
@click.argument("collection")
@click.argument("key")
@click.argument("data", required=False, metavar="[JSON]")
@op_options
@click.option("--version", type=int, help="Version, where the source gives versions.")
@click.option("--id", "operation_id", help="With --version: send an earlier operation again.")
@timed
@click.option("--wait", is_flag=True, help="Wait until its queues have been empty once.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds until it must be confirmed, and again for --wait.",
)
@click.pass_context
def send(ctx: click.Context, /, configuration: Configuration, form: Form, **options: Any) -> None:
    """Send one operation on the record KEY of COLLECTION, with the fields or amounts in JSON.

    KEY is the canonical text: the parts of a key of several parts are joined by "/", with "~1" for
    "/" and "~0" for "~" inside a part. It returns when the broker has confirmed the operation. With
    --wait it returns when the operation has left its queues too: it is applied then, or a dead
    letter, or scheduled, because it is not due or refused for now. Exit code 4 says that it was
    confirmed, but that its queues were not seen empty within --timeout, or cannot be looked at.
    RabbitMQ counts what workers hold some seconds late: there its queues have to stay empty for 10
    seconds, and a lane that is always busy never counts as empty.
    """
    from syncpipe.app import build

    order = _Order(**options)
    app = build(configuration.load().settings)
    receipt = _confirmed(app, order)
    row = {"id": receipt.id, "version": receipt.version, "queues": ", ".join(receipt.queues)}
    write([row], form, row)
    if order.wait and (left := _left_waiting(app, receipt, order.timeout)):
        note(f"The operation is confirmed, and need not be sent again. {left}")
        ctx.exit(Exit.PARTIAL)


def _confirmed(app: App, order: _Order) -> Receipt:
    """Send the operation and return its receipt. Raises what the client raises."""
    from syncpipe.app import Client
    from syncpipe.core.keys import key_values

    parts = key_values(declared(app, order.collection), order.key)
    data = _data(order)
    client_options = replace(app.settings.client, linger_ms=0, delivery_timeout_s=order.timeout)
    with Client(replace(app.settings, client=client_options)) as client:
        receipt: Receipt = getattr(client, order.kind)(
            order.collection,
            parts if len(parts) > 1 else parts[0],
            *(() if data is None else (data,)),
            id=order.operation_id,
            version=order.version,
            priority=order.priority,
            delay=order.delay,
            not_before=order.not_before,
            expires_in=order.expires_in,
        )
        return receipt.wait()


def _data(order: _Order) -> dict[str, Any] | None:
    """Return the fields or amounts."""
    from syncpipe.errors import InvalidValue
    from syncpipe.ops.records import json_fields

    if (order.data is None) is not (order.kind == "delete"):
        wanted = "takes no JSON" if order.kind == "delete" else "needs JSON"
        raise click.UsageError(f"--op {order.kind} {wanted}.")
    if order.data is None:
        return None
    try:
        return json_fields(order.data, exact=exact(order.kind, decimals=order.decimals))
    except InvalidValue as error:
        raise click.BadParameter(error.message, param_hint="JSON") from error


def _left_waiting(app: App, receipt: Receipt, timeout_s: float) -> str:
    """Wait until each queue of *receipt* has been empty once; return why that was not seen."""
    from syncpipe.errors import SendError
    from syncpipe.ops.waiting import wait_until_empty

    try:
        with app.broker() as broker:
            seen = wait_until_empty(
                broker, receipt.queues, clock=app.clock, sleep=time.sleep, timeout_s=timeout_s
            )
    except SendError as error:
        return f"Whether it was applied cannot be seen: {error.message}"
    return "" if seen else f"Its queues were busy for {timeout_s:g} s: `syncpipe status`."
