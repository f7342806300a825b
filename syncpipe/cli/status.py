"""``syncpipe status``: one look at everything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from syncpipe.cli.options import configured, opened_store
from syncpipe.cli.output import Exit, Form, form_option, note, write
from syncpipe.cli.target import STATE_COLUMNS, state_row

if TYPE_CHECKING:
    from syncpipe.cli.options import Configuration
    from syncpipe.ops.lanes import LaneStatus, Status
    from syncpipe.transport.broker import WorkerInfo


@click.command()
@configured
@form_option
@click.pass_context
def status(ctx: click.Context, configuration: Configuration, form: Form) -> None:
    """Show what waits in which lane, how old it is, who works, and what is not well.

    Exit code 5 says that something is not well: the broker is away, a queue is missing, nobody can
    tell which workers live, envelopes wait that no worker takes, or the store is away or lacks
    migrations. JSON is one object.
    """
    from syncpipe.app import build
    from syncpipe.errors import SendError
    from syncpipe.ops.lanes import look

    app = build(configuration.load().settings)
    settings = app.settings
    try:
        with app.broker() as broker, opened_store(app) as store:
            seen = look(broker, list(settings.targets), settings.shards, store)
    except SendError as error:
        _write_unreachable(error, form)
        ctx.exit(Exit.UNHEALTHY)
    if form is Form.TABLE:
        _write_tables(seen)
    else:
        _write_object(_object(seen), form)
    if seen.problems:
        ctx.exit(Exit.UNHEALTHY)


def _write_unreachable(error: Any, form: Form) -> None:
    if form is Form.TABLE:
        note(f"UNHEALTHY: {error}")
    else:
        _write_object({"healthy": False, "problems": [str(error)]}, form)


def _write_tables(seen: Status) -> None:
    busy = [lane for lane in seen.lanes if lane.depth]
    rows = [_lane_row(lane) for lane in busy]
    if rows:
        hidden = {"declared"} if any(lane.topology for lane in busy) else {"declared", "topology"}
        write(rows, Form.TABLE, [name for name in rows[0] if name not in hidden])
    click.echo(f"{len(seen.lanes) - len(busy)} of {len(seen.lanes)} lanes are empty.")
    if earlier := sum(not lane.declared for lane in busy):
        click.echo(
            f"{earlier} that the configuration does not name hold something: sent with another "
            "number of shards, version of the topology, or target."
        )
    for queue, messages in seen.others.items():
        click.echo(f"{messages} messages in {queue}.")
    for target, outlook in (seen.scheduled or {}).items():
        when = f"in {outlook.next_s:.0f} s" if outlook.next_s > 0 else "now"
        click.echo(f"{outlook.count} scheduled for {target}, the next is due {when}.")
    kept = "" if seen.kept is None else f" wait in the broker, {seen.kept} are in the store"
    click.echo(f"{seen.dead} dead letters{kept}.\n")
    if seen.targets:
        write(map(state_row, seen.targets), Form.TABLE, STATE_COLUMNS)
        click.echo()
    if seen.workers is None:
        click.echo("Which workers live is not known.")
    elif seen.workers:
        columns = [name for name in _worker_row(seen.workers[0]) if name != "plan"]
        write(map(_worker_row, seen.workers), Form.TABLE, columns)
    else:
        click.echo("No worker lives.")
    for problem in seen.problems:
        note(f"UNHEALTHY: {problem}")


def _object(seen: Status) -> dict[str, Any]:
    return {
        "healthy": not seen.problems,
        "problems": seen.problems,
        "depth": seen.depth,
        "dead": seen.dead,
        "kept": seen.kept,
        "others": seen.others,
        "scheduled": _scheduled(seen),
        "targets": list(map(state_row, seen.targets)),
        "lanes": [_lane_row(lane) for lane in seen.lanes],
        "workers": None if seen.workers is None else list(map(_worker_row, seen.workers)),
    }


def _scheduled(seen: Status) -> dict[str, object] | None:
    if seen.scheduled is None:
        return None
    return {
        target: {"operations": outlook.count, "next_s": round(outlook.next_s, 1)}
        for target, outlook in seen.scheduled.items()
    }


def _write_object(value: dict[str, Any], form: Form) -> None:
    click.echo(json.dumps(value, indent=2 if form is Form.JSON else None, ensure_ascii=False))


def _lane_row(status: LaneStatus) -> dict[str, object]:
    age_s = status.oldest_age_s
    return {
        "target": status.lane.target,
        "shard": status.lane.shard,
        "topology": status.topology or None,
        "declared": status.declared,
        **{priority.value: count for priority, count in status.ready.items()},
        "unacked": status.unacked,
        "oldest_s": None if age_s is None else round(age_s, 1),
    }


def _worker_row(worker: WorkerInfo) -> dict[str, object]:
    age_s = (worker.seen_ms - worker.started_ms) / 1000
    # What stands for a target, with a colon, is for other workers.
    said = {name: count for name, count in worker.counters.items() if ":" not in name}
    counters = {"restarts": 0, "stalls": 0, **said}
    return {"name": worker.name, "pid": worker.pid, "up_s": round(age_s), **counters}
