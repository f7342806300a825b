"""``syncpipe queue``: what waits in the broker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from syncpipe.cli.accountable import accountable
from syncpipe.cli.asking import ask
from syncpipe.cli.options import configured
from syncpipe.cli.output import Exit, form_option, note, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form
    from syncpipe.ops.purging import Purged, QueueStatus

_COLUMNS = ("queue", "ready", "unacked", "oldest_s")


@click.group()
def queue() -> None:
    """Show and empty the queues, and return what dead workers held."""


@queue.command("list")
@configured
@form_option
@click.pass_context
def list_queues(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """List the queues that hold anything. Exit code 3 says that there are none."""
    from syncpipe.app import build
    from syncpipe.ops.purging import holding

    with build(configuration.load().settings).broker() as broker:
        queues = holding(broker)
    write(map(_row, queues), form, _COLUMNS)
    if not queues:
        note("All queues are empty.")
        ctx.exit(Exit.NOTHING)


@queue.command()
@configured
@form_option
@click.argument("patterns", nargs=-1, required=True, metavar="QUEUE...")
@click.option("--dry-run", is_flag=True, help="Show the plan and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--reason", default="none given", help="Why; for the audit and the log line.")
@click.pass_context
def purge(
    ctx: click.Context,
    configuration: Configuration,
    form: Form,
    patterns: Sequence[str],
    *,
    dry_run: bool,
    yes: bool,
    reason: str,
) -> None:
    """Delete what waits in queues, for good: the operations in it are lost.

    QUEUE is a name, or a pattern such as 'sp.crm.*.low'; sp.dead has to be named itself. RabbitMQ's
    own names, such as 'sp.crm.*.low.v1', mean the same. What workers have taken stays with them.
    Shows the plan and asks for the number of messages; off a terminal it refuses without --yes.
    It takes the role operator, and is an entry in the audit before it is done, where there is one.
    """
    from syncpipe.app import build
    from syncpipe.ops.purging import holding, matching
    from syncpipe.ops.purging import purge as purge_queues

    app = build(configuration.load().settings)
    with app.broker() as broker:
        plan = matching(holding(broker), patterns)
        if not plan:
            note("No queue with anything in it matches.")
            ctx.exit(Exit.NOTHING)
        if dry_run or not yes:
            write(map(_row, plan), form, _COLUMNS)
        if dry_run:
            return
        with accountable(app, "purge queues") as somebody:
            if not yes:
                ask(sum(each.depth.ready for each in plan), "delete these messages for good")
            waiting = {each.name: each.depth.ready for each in plan}
            somebody.write("queue.purge", " ".join(patterns), reason, queues=waiting)
            done = []
            for purged in purge_queues(broker, [*waiting]):
                _record(purged, somebody.identity.actor, reason)
                done.append({"queue": purged.queue, "deleted": purged.messages})
        write(done, form, ("queue", "deleted"))


@queue.command()
@configured
@click.option(
    "--key-prefix", default="", help="Redis: kombu's global_keyprefix, in a project that sets it."
)
@click.pass_context
def rescue(ctx: click.Context, configuration: Configuration, key_prefix: str) -> None:
    """Return to their queues the messages that dead workers held, when no worker is left.

    Workers do this for each other by themselves. On Redis it takes some seconds, in which whoever
    lives says so and keeps what it holds. RabbitMQ returns them by itself, and has what was
    delivered very often set aside: that goes back. Exit code 4 says that some of it has no queue
    that takes it. It takes the role operator, and is an entry in the audit, where there is one.
    """
    from syncpipe.app import build
    from syncpipe.transport import rescue as rescue_messages

    app = build(configuration.load().settings)
    with accountable(app, "rescue messages") as somebody:
        somebody.write("queue.rescue", "*")
        url = app.settings.broker.url
        done = rescue_messages(url, clock=app.clock, key_prefix=key_prefix)
    click.echo(f"{done.returned} messages went back to their queues.")
    if done.left:
        note(
            f"{done.left} stay set aside: their queues are missing, full or without a leader. See "
            "`syncpipe status`."
        )
        ctx.exit(Exit.PARTIAL)


def _row(status: QueueStatus) -> dict[str, object]:
    age_s = status.depth.oldest_age_s
    return {
        "queue": status.name,
        "ready": status.depth.ready,
        "unacked": status.depth.unacked,
        "oldest_s": None if age_s is None else round(age_s, 1),
    }


def _record(purged: Purged, actor: str, reason: str) -> None:
    """Write who deleted what, and why, as a line of the log."""
    entry = {
        "event": "queue-purged",
        "queue": purged.queue,
        "messages": purged.messages,
        "actor": actor,
        "reason": reason,
    }
    note(json.dumps(entry))
