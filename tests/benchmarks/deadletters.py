"""``python -m tests.benchmarks.deadletters``: questions to very many dead letters, and recording.

On a private PostgreSQL without fsync: what is asked is read from memory, and recording is compared
with itself alone. Each figure is the median of the runs, with the fastest and the slowest.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from contextlib import closing
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

import psycopg

from syncpipe.bench.machine import machine
from syncpipe.core.audit import Act
from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.filter_language import parse
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.routing import Lane, Priority, shard_of
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from tests.servers import postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Letters in one write, as the recorder has them.
_WRITE = 256
_HOUR_MS = 3_600_000
_COUNTRIES = ("DE", "FR", "NO", "PT", "SE", "JP", "BR")
_ACT = Act("bench@h", "dlq.discard", "", "A benchmark.")
#: What people ask: the filter, the causes and pages of which are wanted.
FILTERS = (
    "state:open",
    "target:crm code:23505 state:open",
    "target:none",
    "age:>1h attempts:>=2",
    "key:c/77*",
    "-stage:apply",
    "data.country:DE",
    "data.total:>990 state:open",
    "collection:orders or (constraint:positive -data.country:NO)",
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.deadletters")
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--postgres", type=int, default=18, choices=(16, 18))
    options = parser.parse_args(arguments)
    _say(f"{machine()}, PostgreSQL {options.postgres}, {options.letters:,} dead letters")
    with postgres_server(major=options.postgres) as server:
        dsn = server.new_database()
        with closing(PostgresStore(StoreOptions(dsn, statement_timeout_s=120), bytes(32))) as store:
            store.migrate()
            took = _fill(store, options.letters)
            _say(f"recorded: {options.letters / took:,.0f} letters/s")
            _resolve_some(dsn)
            for name, ask in _questions(store):
                _measure(name, ask, options.runs)
    return 0


def letters(number: int, now_ms: int) -> Iterator[DeadLetter]:
    """Yield *number* letters of two frequent causes and many rare ones, of the last two days."""
    for at in range(number):
        yield _letter(at, now_ms - (number - at) * 48 * _HOUR_MS // number)


def _letter(number: int, died_ms: int) -> DeadLetter:
    id_ = uuid.UUID(int=(died_ms << 80) | (7 << 76) | (2 << 62) | number)
    collection = ("orders", "customers", "invoices")[number % 3]
    key = f"c/{number % 60_000}"
    data = {
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "total": number % 1000,
        "name": f"Somebody of the number {number}",
        "lines": [{"sku": f"sku-{line}", "count": line} for line in range(5)],
    }
    operation = Operation(id_.bytes, Kind.UPSERT, collection, key, died_ms << 16, data)
    target = "crm" if number % 4 else "erp"
    sqlstate, constraint, message = _cause(number)
    return DeadLetter(
        raw=encode(operation),
        queue=Lane(target, shard_of(collection, key, 8)).queue(Priority.NORMAL),
        stage="apply" if number % 50 else "verify",
        code="SP-E511",
        message=message,
        died_ms=died_ms,
        worker=f"w{number % 8}@host",
        operation_id=str(id_),
        collection=collection,
        key=key,
        version=died_ms << 16,
        sqlstate=sqlstate,
        constraint=constraint,
    )


def _cause(number: int) -> tuple[str, str, str]:
    if number % 100 == 0:
        return "P0001", f"rare_{number // 100 % 300}", f"Case {number} is not allowed."
    if number % 3 == 0:
        return "23505", "users_email_key", f'Key (email)=("{number}") already exists.'
    return "23514", "positive", f"Row {number} violates a check."


def _fill(store: PostgresStore, number: int) -> float:
    """Record so many letters, every tenth of them twice; return the seconds of the first time."""
    now_ms = time.time_ns() // 1_000_000
    everything = list(letters(number, now_ms))
    began = time.perf_counter()
    for at in range(0, number, _WRITE):
        store.dead_letters.record(everything[at : at + _WRITE])
    took = time.perf_counter() - began
    again = [replace(letter, died_ms=now_ms - 60_000) for letter in everything[::10]]
    for at in range(0, len(again), _WRITE):
        store.dead_letters.record(again[at : at + _WRITE])
    return took


def _resolve_some(dsn: str) -> None:
    """Let a fifth of the letters be put away, and PostgreSQL learn what the table is like."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "UPDATE syncpipe.dead_letters SET state = 'resolved', changed = now()"
            " WHERE version % 5 = 0"
        )
        connection.execute("VACUUM ANALYZE syncpipe.dead_letters")
        size = connection.execute(
            "SELECT pg_size_pretty(pg_table_size('syncpipe.dead_letters')),"
            " pg_size_pretty(pg_indexes_size('syncpipe.dead_letters'))"
        ).fetchone()
    _say(f"table {size[0]}, indexes {size[1]}")


def _questions(store: PostgresStore) -> Iterator[tuple[str, Callable[[], object]]]:
    triage = store.triage
    now_ms = time.time_ns() // 1_000_000
    for text in FILTERS:
        filter_ = parse(text, now_ms=now_ms)
        yield f"first page      {text}", lambda f=filter_: triage.entries(f, limit=50)
        yield f"count           {text}", lambda f=filter_: triage.count(f)
        yield f"causes          {text}", lambda f=filter_: triage.causes(f, limit=50)
    everything = parse("", now_ms=now_ms)
    middle = _page_behind(store, 0.5)
    last = _page_behind(store, 0.99)
    yield "middle page", lambda: triage.entries(everything, limit=50, after=middle)
    yield "last page", lambda: triage.entries(everything, limit=50, after=last)
    yield "page of 200 with bytes", lambda: triage.letters(everything, limit=200, after=middle)
    yield "stats", triage.stats
    id_ = triage.entries(everything, limit=1)[0].id
    yield "one by its id", lambda: triage.find(id_)
    yield "one by 8 digits", lambda: triage.find(id_[:8])
    yield "open keys of a target", lambda: store.dead_letters.open_keys("crm")
    crm = parse("target:crm", now_ms=now_ms)
    yield (
        "discard 60,000, restore them",
        lambda: (
            triage.discard(crm, _ACT),
            triage.restore(crm, _ACT),
        ),
    )


def _page_behind(store: PostgresStore, part: float):
    """Return the place behind which so large a part of the list is not."""
    everything = parse("", now_ms=0)
    entries = store.triage.entries(everything, limit=1_000_000)
    return entries[int(len(entries) * part)].position


def _measure(name: str, ask: Callable[[], object], runs: int) -> None:
    ask()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    _say(f"{median(times):8.1f} ms  ({min(times):.1f} to {max(times):.1f})  {name}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
