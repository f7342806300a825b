"""The numbered migrations in ``migrations/``: which have run, and running the others."""

from __future__ import annotations

import functools
import importlib.resources
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString, cast

from psycopg import sql

from syncpipe.errors import StoreOutdated
from syncpipe.store.postgres.statements import statement
from syncpipe.store.store import Migration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import psycopg

_NAME = re.compile(r"(\d{4})_(pre|post)_\w+")


@dataclass(frozen=True, slots=True)
class Step:
    """A file of ``migrations/``."""

    #: Its name without the suffix.
    name: str
    #: Its statements, with slots for the schema.
    text: LiteralString

    @property
    def number(self) -> int:
        """Its place in the order."""
        return int(self.name.partition("_")[0])

    @property
    def phase(self) -> str:
        """``pre``: before the processes of its release start. ``post``: after all others end."""
        return self.name.split("_")[1]


@functools.cache
def steps() -> tuple[Step, ...]:
    """Return the migrations of this release, in order."""
    folder = importlib.resources.files(__package__).joinpath("migrations")
    names = sorted(file.name.removesuffix(".sql") for file in folder.iterdir())
    return tuple(
        Step(name, folder.joinpath(f"{name}.sql").read_text("utf-8"))
        for name in names
        if _NAME.fullmatch(name)
    )


def migrate(
    connection: psycopg.Connection[Any],
    schema: str,
    *,
    post: bool,
    lock_timeout_ms: int,
    known: Sequence[Step] | None = None,
) -> list[Migration]:
    """Run what of the *known* migrations (None: of this release) has not run yet.

    All of it or nothing, one caller at a time. Without *post*, migrations of that phase run only
    where one of the other phase comes after them, because a later release needs them then. Each
    lock is waited for at most *lock_timeout_ms*. Raises StoreOutdated as `require` does.
    """
    known = steps() if known is None else known
    slot = sql.Identifier(schema)
    with connection.transaction():
        arguments = {"schema": schema, "lock_timeout": f"{lock_timeout_ms}ms"}
        for name in ("take_time", "lock", "hurry"):
            connection.execute(statement("migrating", name), arguments)
        _make_schema(connection, schema)
        connection.execute(statement("migrating", "table", schema=slot))
        ran = _ran(connection, schema)
        _refuse_later(ran, known)
        due = [step for step in _wanted(known, post=post) if step.number not in ran]
        for step in due:
            connection.execute(sql.SQL(step.text).format(schema=slot))
            note = {"number": step.number, "phase": step.phase, "name": step.name}
            connection.execute(statement("migrating", "note", schema=slot), note)
    return [
        Migration(step.name, ran=step in due) for step in known if step in due or step.number in ran
    ]


def require(
    connection: psycopg.Connection[Any], schema: str, known: Sequence[Step] | None = None
) -> None:
    """Return if the tables are those of this release, or can be used like them.

    That some migration of a later release has run is no harm, as long as it only prepares for it.

    Raises:
        StoreOutdated: migrations are missing, or one has run after which a later release is needed.
        psycopg.Error: the tables are not there, or cannot be read.

    """
    known = steps() if known is None else known
    ran = _ran(connection, schema)
    _refuse_later(ran, known)
    missing = [step.name for step in known if step.phase == "pre" and step.number not in ran]
    if missing:
        raise StoreOutdated(f"The store lacks {', '.join(missing)}.")


def _wanted(known: Sequence[Step], *, post: bool) -> Sequence[Step]:
    if post:
        return known
    last = max((index for index, step in enumerate(known) if step.phase == "pre"), default=-1)
    return known[: last + 1]


def _refuse_later(ran: Mapping[int, str], known: Iterable[Step]) -> None:
    later = ran.keys() - {step.number for step in known}
    if past := sorted(number for number in later if ran[number] == "post"):
        raise StoreOutdated(
            f"The store was brought to a later release: migration {past[0]:04} is not known here. "
            "Upgrade this process."
        )


def _ran(connection: psycopg.Connection[Any], schema: str) -> dict[int, str]:
    """Return the phases of the migrations that have run, by number."""
    query = statement("migrating", "ran", schema=sql.Identifier(schema))
    return dict(connection.execute(query).fetchall())


def _make_schema(connection: psycopg.Connection[Any], schema: str) -> None:
    row = connection.execute(statement("migrating", "schema_exists"), {"schema": schema}).fetchone()
    if not cast("tuple[bool]", row)[0]:
        connection.execute(statement("migrating", "schema", schema=sql.Identifier(schema)))
