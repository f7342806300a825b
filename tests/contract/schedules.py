"""Schedules whose time passes when told: in memory, and in each release of PostgreSQL."""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from syncpipe.core.attempt import Attempt
from syncpipe.core.routing import Priority
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.schedule import Entry, Scheduled
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.schedule import MemorySchedule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.store.schedule import Schedule

HOUR_MS = 3_600_000


@dataclass
class Timed:
    """A schedule, and the power over its time."""

    schedule: Schedule
    advance: Callable[[float], None]
    empty: Callable[[], None]


def in_memory() -> Timed:
    clock = FakeClock()
    schedule = MemorySchedule(clock)
    return Timed(schedule, clock.advance, schedule._rows.clear)


@contextmanager
def in_postgres(dsn) -> Iterator[Timed]:
    """Its server's clock goes on by itself, so that tests should count in hours."""
    with (
        closing(PostgresStore(StoreOptions(dsn, pool_max=8))) as store,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        store.migrate()

        def advance(seconds):
            connection.execute(
                "UPDATE syncpipe.scheduled SET due = due - %s * interval '1 s'", [seconds]
            )

        def empty():
            connection.execute("DELETE FROM syncpipe.scheduled")

        yield Timed(store.schedule, advance, empty)


def attempts(number):
    return tuple(
        Attempt(n, "w1@h", n, "SP-E510", f"The parent {n} is missing.") for n in range(number)
    )


def scheduled(number=0, tries=0, **members):
    """An operation; *number* tells it from others."""
    known = {
        "operation_id": uuid.UUID(int=0x0197A000_0000_7000_8000_000000000000 + number).bytes,
        "target": "crm",
        "collection": "orders",
        "key": f"k{number}",
        "priority": Priority.LOW,
        "raw": b"raw %d" % number,
        "attempts": attempts(tries),
    }
    return Scheduled(**known | members)


def entry(number=0, tries=0, hours=0, **members):
    return Entry(scheduled(number, tries, **members), round(hours * HOUR_MS))
