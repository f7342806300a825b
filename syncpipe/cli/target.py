"""``syncpipe target``: where operations are applied."""

from __future__ import annotations

from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING, cast

import click

from syncpipe.cli.audit import head_noted
from syncpipe.cli.identity import whoever
from syncpipe.cli.options import configured, opened_store, quiet_pools
from syncpipe.cli.output import Exit, form_option, note, write
from syncpipe.cli.times import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration
    from syncpipe.cli.output import Form
    from syncpipe.ops.management import ManagedTarget
    from syncpipe.ops.targets import TargetState
    from syncpipe.resilience.hold import Hold

#: Columns of what is done about a target.
STATE_COLUMNS = ("target", "state", "since", "by", "reason", "batch", "at_once")


@click.group()
def target() -> None:
    """Prepare, check and look at targets."""


@target.command("list")
@configured
@form_option
@click.pass_context
def list_targets(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """List the declared targets, what is synchronised to each, and what is done about it.

    STATE is closed where workers call it, half-open where they try whether it takes that, open
    where they leave it alone because it fails, paused and kept-closed where somebody wanted that.
    BATCH is how many operations a batch may have for now, and AT_ONCE how many batches may run.
    """
    from syncpipe.settings.tree import type_of

    app = _app(configuration)
    rows = [
        {
            "name": each.target,
            "type": type_of(app.settings.targets[each.target]),
            "collections": ", ".join(sorted(app.collections(each.target))) or None,
            **{name: value for name, value in state_row(each).items() if name != "target"},
        }
        for each in _states(app)
    ]
    write(rows, form, ("name", "type", "collections", *STATE_COLUMNS[1:]))
    if not rows:
        note("No target is declared.")
        ctx.exit(Exit.NOTHING)


@target.command()
@configured
@form_option
@click.argument("name")
def init(configuration: Configuration, form: Form, name: str) -> None:
    """Make the tables that syncpipe needs in the target NAME; what is there stays."""
    with _opened(_app(configuration), name) as opened:
        tables = opened.init()
    write([{"table": table} for table in tables], form, ("table",))
    if not tables:
        note("There is nothing to make.")


@target.command()
@configured
@form_option
@click.argument("name")
@click.pass_context
def test(ctx: click.Context, configuration: Configuration, form: Form, name: str) -> None:
    """Check everything that operations need in the target NAME, and change nothing.

    Exit code 5 says that something is not as it should be.
    """
    with _opened(_app(configuration), name) as opened:
        checks = opened.test()
    write(
        ({"check": each.name, "ok": each.ok, "detail": each.detail} for each in checks),
        form,
        ("check", "ok", "detail"),
    )
    if not all(each.ok for each in checks):
        ctx.exit(Exit.UNHEALTHY)


@target.command()
@configured
@form_option
@click.argument("name")
def schema(configuration: Configuration, form: Form, name: str) -> None:
    """Show which tables and columns operations may write in the target NAME."""
    with _opened(_app(configuration), name) as opened:
        rows = [
            {"collection": each.collection, "table": each.table, "column": column, "type": kind}
            for each in opened.describe()
            for column, kind in each.columns
        ]
    write(rows, form, ("collection", "table", "column", "type"))


@target.command()
@configured
@form_option
@click.argument("name")
def collect(configuration: Configuration, form: Form, name: str) -> None:
    """Forget in the target NAME what is older than the horizon of its collection.

    Workers do this by themselves. Keys with a dead letter keep what its replay needs.
    """
    from syncpipe.ops.horizon import collect as collect_target

    app = _app(configuration)
    with app.broker() as broker, opened_store(app) as store, _opened(app, name) as opened:
        collected = collect_target(opened, app.collections(name), broker, store)
    rows = (
        {
            "collection": collection,
            "floor": found.floor,
            "tombstones": found.tombstones,
            "increments": found.increments,
        }
        for collection, found in collected.items()
    )
    write(rows, form, ("collection", "floor", "tombstones", "increments"))


@target.command()
@configured
@form_option
@click.option("--reason", required=True, help="Why, for whoever finds it paused.")
@click.argument("name")
def pause(configuration: Configuration, form: Form, name: str, reason: str) -> None:
    """Have all workers leave the target NAME alone until it is resumed.

    Its envelopes wait in the broker; what has begun is finished. Workers see it within two seconds,
    and go on by what they knew last while the store is away. Needs a store, and the role operator;
    with a key in [audit] it is an entry there.
    """
    from syncpipe.resilience.hold import Hold

    _hold(_app(configuration), form, name, Hold.OPEN, reason)


@target.command()
@configured
@form_option
@click.option("--reason", default="", help="Why.")
@click.option(
    "--force-close", is_flag=True, help="Call it from now on whatever fails, until it is resumed."
)
@click.argument("name")
def resume(
    configuration: Configuration, form: Form, name: str, reason: str, *, force_close: bool
) -> None:
    """Have workers call the target NAME again, a little at first.

    Needs a store, and the role operator; with a key in [audit] it is an entry there.
    """
    from syncpipe.resilience.hold import Hold

    hold = Hold.CLOSED if force_close else Hold.NONE
    _hold(_app(configuration), form, name, hold, reason)


def state_row(state: TargetState) -> dict[str, object]:
    """Return what is done about a target as a row of a table."""
    return {
        "target": state.target,
        "state": state.state,
        "since": None if state.since_ms is None else written(state.since_ms),
        "by": state.by,
        "reason": state.reason,
        "batch": state.batch,
        "at_once": state.at_once,
    }


def _hold(app: App, form: Form, name: str, hold: Hold, reason: str) -> None:
    """Want *hold* of a target, and show what is wanted then."""
    from syncpipe.core.access import Role
    from syncpipe.errors import StoreMissing

    app.declared(name)
    with opened_store(app) as store:
        if store is None:
            raise StoreMissing("The configuration names no store that would remember it.")
        identity = whoever(app, store)
        identity.require(Role.OPERATOR, "pause and resume targets")
        with head_noted(store) if app.settings.audit.key else nullcontext():
            held = store.pauses.hold(name, hold, by=identity.actor, reason=reason)
    pause = held.pause
    row = {
        "target": name,
        "hold": pause.hold.value,
        "since": written(pause.since_ms) if pause.since_ms else None,
        "by": pause.by,
        "reason": pause.reason or None,
        "changed": held.changed,
    }
    write([row], form, ("target", "hold", "since", "by", "reason"))
    if not held.changed:
        note("Nothing has changed: it was so before.")


def _states(app: App) -> Sequence[TargetState]:
    """Return what is done about each target, as far as broker and store can be asked."""
    from syncpipe.errors import SendError, StoreError
    from syncpipe.ops.targets import states

    workers, pauses = None, None
    with suppress(SendError), app.broker() as broker:
        workers = broker.workers()
    with suppress(StoreError), opened_store(app) as store:
        pauses = store.pauses.current() if store else {}
    return states(sorted(app.settings.targets), workers, pauses)


def _app(configuration: Configuration) -> App:
    from syncpipe.app import build

    return build(configuration.load().settings)


def _opened(app: App, name: str) -> AbstractContextManager[ManagedTarget]:
    """Return the target *name*, closed at the end of a block. Raises UnknownTarget."""
    quiet_pools()
    return closing(cast("ManagedTarget", app.target(name)))
