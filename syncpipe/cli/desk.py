"""What the commands of whoever is on call have in common."""

from __future__ import annotations

import contextlib
from contextlib import closing
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from syncpipe.cli.audit import head_noted
from syncpipe.cli.identity import whoever
from syncpipe.cli.options import quiet_pools
from syncpipe.cli.times import written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from syncpipe.app import App
    from syncpipe.cli.options import Configuration
    from syncpipe.core.access import Identity
    from syncpipe.deadletters.letters import DeadLetters
    from syncpipe.store.store import OnCallStore


class Desk(NamedTuple):
    """What somebody on call works with."""

    #: The parts of this process.
    app: App
    #: The store, open.
    store: OnCallStore
    #: Who asks.
    identity: Identity
    #: What they may do with dead letters.
    letters: DeadLetters


@dataclass(frozen=True, slots=True)
class How:
    """How something is to be done."""

    #: Why; may be empty.
    reason: str
    #: Whether only its plan is shown.
    dry_run: bool
    #: Whether nobody is asked.
    yes: bool


@contextlib.contextmanager
def desk(configuration: Configuration) -> Iterator[Desk]:
    """Open the store for whoever runs the command. Raises StoreMissing without one."""
    from syncpipe.app import build
    from syncpipe.errors import StoreMissing

    quiet_pools()
    app = build(configuration.load().settings)
    store = app.store()
    if store is None:
        raise StoreMissing(
            "The configuration names no store: dead letters stay in the broker, in sp.dead."
        )
    with closing(store):
        identity = whoever(app, store)
        with app.dead_letters(store, identity) as letters, head_noted(store):
            yield Desk(app, store, identity, letters)


def joined(where: str, **terms: str | tuple[str, ...] | None) -> str:
    """Return the filter *where* with *terms* that have to fit too; one of several values.

    Raises:
        InvalidFilter: *where* is none; its columns are those that were typed.

    """
    from syncpipe.core.filter_language import parse, quoted

    more = " ".join(
        f"{name}:{','.join(map(quoted, [values] if isinstance(values, str) else values))}"
        for name, values in terms.items()
        if values is not None
    )
    if not more:
        return where
    parse(where, now_ms=0)
    return f"({where}) {more}" if where.strip() else more


def addressed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a *command* the arguments ``[ID]...`` and ``--where``, as the filter ``where``."""

    @wraps(command)
    def run(ids: tuple[str, ...], where: str | None, **others: object) -> object:
        return command(where=_named(ids, where), **others)

    run = click.option("--where", metavar="FILTER", help="All that fit, instead of IDs.")(run)
    return click.argument("ids", nargs=-1, metavar="[ID]...")(run)


def _named(ids: tuple[str, ...], where: str | None) -> str:
    if bool(ids) is (where is not None):
        raise click.UsageError("Name dead letters by their IDs, or choose them with --where.")
    if where is not None:
        return where
    from syncpipe.core.filter_language import quoted

    return " or ".join(f"id:{quoted(each)} or op:{quoted(each)}" for each in ids)


def dated(value: Any) -> Any:
    """Return a result with its moments as people and programs read them, without ``_ms``."""
    match value:
        case dict():
            return {_plain(name): _moment(name, each) for name, each in value.items()}
        case list():
            return [dated(each) for each in value]
    return value


def age(milliseconds: int) -> str:
    """Return a duration in its largest unit."""
    seconds = max(0, milliseconds // 1000)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def record(row: Mapping[str, Any]) -> str | None:
    """Return the record that a letter is about, in one word."""
    return None if row["collection"] is None else f"{row['collection']}/{row['key']}"


def cause(row: Mapping[str, Any]) -> str:
    """Return what the target named: SQLSTATE and constraint, status and endpoint."""
    names = ("sqlstate", "constraint", "status", "endpoint")
    return " ".join(str(row[name]) for name in names if row[name] is not None)


def reason_option(*, required: bool = False) -> Callable[..., Any]:
    """Give a command ``--reason``."""
    given: dict[str, Any] = {"required": True} if required else {"default": ""}
    return click.option("--reason", help="Why; for the audit.", **given)


def acting(*, reason_required: bool = False) -> Callable[..., Any]:
    """Give a command ``--dry-run``, ``--yes`` and ``--reason``, as the argument ``how``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(*, dry_run: bool, yes: bool, reason: str, **others: object) -> object:
            return command(how=How(reason, dry_run=dry_run, yes=yes), **others)

        run = reason_option(required=reason_required)(run)
        run = click.option("--yes", is_flag=True, help="Do not ask.")(run)
        return click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")(run)

    return decorate


#: Names that end like moments, and are durations.
_DURATIONS = frozenset({"duration_ms"})


def _plain(name: str) -> str:
    return name if name in _DURATIONS else name.removesuffix("_ms")


def _moment(name: str, value: Any) -> Any:
    if name.endswith("_ms") and name not in _DURATIONS:
        return None if value is None else written(value)
    return dated(value)
