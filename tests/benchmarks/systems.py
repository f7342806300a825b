"""The other systems: what runs them, and what they promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import conninfo

from tests.benchmarks.environments import node, python
from tests.resumable import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_PRODUCER = ("-m", "tests.benchmarks.peers.producer")
#: One process for each core is what most of them advise; threads or tasks within fill the waits.
_PROCESSES = 2
#: Parts of an address by the variables of libpq, which other languages know too.
_LIBPQ = {"HOST": "host", "PORT": "port", "USER": "user", "DATABASE": "dbname"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A system beside ours."""

    #: What the report calls it.
    name: str
    #: Module of `tests.benchmarks.peers`, or "bullmq".
    module: str
    #: Environment that has its packages.
    environment: str
    #: Arguments of Python that run its workers.
    worker: tuple[str, ...]
    #: Operations that may wait, so that neither side is ever idle.
    ahead: int
    #: Whether its statement refuses what is stale.
    guarded: bool
    #: Whether it sends records in chunks.
    chunks: bool = False
    #: How many such workers there are.
    workers: int = 1
    #: Arguments of Python that prepare the database.
    prepare: tuple[str, ...] = ()
    #: Where its messages wait.
    broker: str = "redis"

    def producer_argv(self) -> tuple[str, ...]:
        """Return what runs its producer. Raises Missing."""
        if self.module == "bullmq":
            program, folder = node()
            return program, str(folder / "producer.mjs")
        return python(self.environment), *_PRODUCER, self.module

    def worker_argv(self) -> tuple[str, ...]:
        """Return what runs a worker of it. Raises Missing."""
        if self.module == "bullmq":
            program, folder = node()
            return program, str(folder / "worker.mjs")
        return python(self.environment), *self.worker

    def prepare_argv(self) -> tuple[str, ...]:
        """Return what prepares the database, empty if nothing does. Raises Missing."""
        return (python(self.environment), *self.prepare) if self.prepare else ()

    def variables(self, folder: Path, url: str, dsn: str) -> dict[str, str]:
        """Return what its programs read from the environment."""
        parts = conninfo.conninfo_to_dict(dsn)
        return {
            **{f"PG{name}": str(parts[part]) for name, part in _LIBPQ.items()},
            "BENCH_CHUNKS": "1" if self.chunks else "0",
            "BENCH_DSN": dsn,
            "BENCH_FOLDER": str(folder),
            "BENCH_GUARDED": "1" if self.guarded else "0",
            "BENCH_URL": url,
            "PYTHONPATH": str(ROOT),
        }


def _celery(application: str, concurrency: int) -> tuple[str, ...]:
    return (
        *("-m", "celery", "-A", f"tests.benchmarks.peers.{application}", "worker"),
        *("--pool", "prefork", "--concurrency", str(concurrency), "--loglevel", "WARNING"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )


def _both(name: str, module: str, environment: str, worker: tuple[str, ...], ahead: int, **more):
    """Return a peer as one writes it, and with a statement that refuses what is stale."""
    return (
        Peer(name, module, environment, worker, ahead, guarded=False, **more),
        Peer(f"{name}_guarded", module, environment, worker, ahead, guarded=True, **more),
    )


_DRAMATIQ = (
    *("-m", "dramatiq", "tests.benchmarks.peers.dramatiq_app"),
    *("--processes", str(_PROCESSES), "--threads", "8", "--log-file", "/dev/stderr"),
)
_TASKIQ = (
    *("-m", "taskiq", "worker", "tests.benchmarks.peers.taskiq_app:broker"),
    *("--workers", str(_PROCESSES), "--log-level", "WARNING", "--ack-type", "when_executed"),
)
_PROCRASTINATE = (
    *("-m", "procrastinate", "--app", "tests.benchmarks.peers.procrastinate_app.app"),
    *("worker", "--concurrency", "16", "--delete-jobs", "successful"),
)
_SCHEMA = (
    *("-m", "procrastinate", "--app", "tests.benchmarks.peers.procrastinate_app.app"),
    *("schema", "--apply"),
)

PEERS: tuple[Peer, ...] = (
    *_both("celery_task_per_record", "celery_app", "syncpipe", _celery("celery_app", 4), 2_000),
    *_both(
        *("celery_chunks", "celery_app", "syncpipe", _celery("celery_app", _PROCESSES), 20_000),
        chunks=True,
    ),
    *_both(
        *("celery_batches", "celery_batches_app", "celery-batches"),
        *(_celery("celery_batches_app", _PROCESSES), 5_000),
    ),
    # One record at a time: the guard costs them nothing that could be measured.
    Peer("dramatiq", "dramatiq_app", "peers", _DRAMATIQ, 2_000, guarded=True),
    Peer("taskiq", "taskiq_app", "peers", _TASKIQ, 2_000, guarded=True),
    Peer(
        *("procrastinate", "procrastinate_app", "peers", _PROCRASTINATE, 2_000),
        guarded=True,
        workers=_PROCESSES,
        prepare=_SCHEMA,
        broker="postgres",
    ),
    Peer("bullmq_pg", "bullmq", "node", (), 2_000, guarded=True, workers=_PROCESSES),
)
