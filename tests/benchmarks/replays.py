"""``python -m tests.benchmarks.replays``: very many dead letters are sent again, by real workers.

On a private Redis and a private PostgreSQL, both with fsync, which store and target share. A run
takes the letters, and ends when each has its outcome and the replay is finished; every record is
compared then with what all operations together make, so that nothing was lost or done twice.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from pathlib import Path
from statistics import median

import psycopg

from syncpipe.bench.machine import machine
from syncpipe.core.audit import Act
from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.filter_language import parse
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import Lane, Priority, shard_of
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.replays import Order, ReplayState
from tests.acceptance.fleet import Fleet
from tests.servers import postgres_server, redis_server

_WRITE = 2_000
_START_MS = 1_767_225_600_000
#: Operations on one record, where they are increments.
_OF_ONE = 10
_LOOK_S = 0.1
_PATIENCE_S = 600
_AGAIN = (
    "UPDATE syncpipe.dead_letters SET state = 'open'",
    "TRUNCATE syncpipe.replays, syncpipe.replay_items",
    "VACUUM ANALYZE syncpipe.dead_letters",
)


def main(arguments: list[str] | None = None) -> int:
    """Measure, and print; return 0 unless an effect was lost or done twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.replays")
    parser.add_argument("--letters", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=("upsert", "increment"), default="upsert")
    options = parser.parse_args(arguments)
    kind = Kind[options.kind.upper()]
    _say(f"{machine()}, {options.letters:,} {options.kind}s, {options.workers} workers")
    with (
        redis_server(append_fsync="always") as redis,
        postgres_server(durable=True) as postgres,
        tempfile.TemporaryDirectory() as folder,
    ):
        dsn, store_dsn = postgres.new_database(), postgres.new_database()
        store = PostgresStore(StoreOptions(store_dsn, statement_timeout_s=120), bytes(32))
        store.migrate()
        _fill(store, options.letters, kind)
        extra = f'[store]\ndsn = "{store_dsn}"'
        with Fleet(Path(folder), redis.url, dsn, extra) as fleet:
            for _ in range(options.workers):
                fleet.start()
            runs = [_run(store, store_dsn, fleet, options.letters) for _ in range(options.runs)]
        store.close()
    for name, figures in (
        ("taken", [options.letters / took for took, _, _ in runs]),
        ("replayed", [options.letters / took for _, took, _ in runs]),
    ):
        _say(
            f"{name}: {median(figures):,.0f} letters/s, median of {len(runs)}, "
            f"{min(figures):,.0f} to {max(figures):,.0f}"
        )
    return 0 if all(right for _, _, right in runs) else 1


def _run(store: PostgresStore, store_dsn: str, fleet: Fleet, number: int):
    """Replay everything once; return the seconds of taking and of all, and if all is right."""
    with psycopg.connect(store_dsn, autocommit=True) as connection:
        for statement in _AGAIN:
            connection.execute(statement)
    with psycopg.connect(fleet.dsn, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname = 'syncpipe'"
            " AND tablename IN ('documents', 'records', 'applied', 'increments')"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"TRUNCATE {table}")
    order = Order(parse("state:open", now_ms=0), "state:open")
    began = time.perf_counter()
    made = store.replays.create(order, Act("bench@h", "dlq.replay", "", "A benchmark."))
    taken = time.perf_counter() - began
    while (found := store.replays.find(made.id)).state is not ReplayState.FINISHED:
        if time.perf_counter() - began > _PATIENCE_S:
            raise TimeoutError(found)
        time.sleep(_LOOK_S)
    took = time.perf_counter() - began
    with psycopg.connect(fleet.dsn) as connection:
        (total,) = connection.execute(
            "SELECT sum((document ->> 'n')::bigint) FROM syncpipe.documents"
        ).fetchone()
    right = total == number and set(found.outcomes) <= {"applied", "merged", "duplicate"}
    _say(f"  took them in {taken:.1f} s, all after {took:.1f} s: {found.outcomes}, {total} effects")
    return taken, took, right


def _fill(store: PostgresStore, number: int, kind: Kind) -> None:
    """Record so many dead letters."""
    letters = [_letter(at, kind) for at in range(number)]
    for at in range(0, number, _WRITE):
        store.dead_letters.record(letters[at : at + _WRITE])


def _letter(number: int, kind: Kind) -> DeadLetter:
    now_ms = _START_MS + number
    key = f"c/{number // _OF_ONE if kind is Kind.INCREMENT else number}"
    data = {"n": 1}
    if kind is Kind.UPSERT:
        data |= {"name": f"Somebody of the number {number}", "country": "NO", "total": number % 999}
    id_ = uuid7(now_ms, number)
    operation = Operation(id_, kind, "orders", key, now_ms << 16, data)
    return DeadLetter(
        raw=encode(operation),
        queue=Lane("crm", shard_of("orders", key, 4)).queue(Priority.NORMAL),
        stage="apply",
        code="SP-E511",
        message=f"Row {number} violates a check.",
        died_ms=now_ms,
        worker="w@h",
        operation_id=str(uuid.UUID(bytes=id_)),
        collection="orders",
        key=key,
        version=now_ms << 16,
        sqlstate="23514",
        constraint="positive",
        trace=f"00-{number:032x}-b7ad6b7169203331-01",
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
