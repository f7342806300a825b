"""The two systems that are compared, behind one door: how to run them, and what they have done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import conninfo, sql

from syncpipe.supervisor import Command
from tests.chaos.brokers.ledger import Book, Delivery

if TYPE_CHECKING:
    from tests.chaos.brokers.grounds import RabbitGround, RedisGround

REPOSITORY = Path(__file__).resolve().parents[3]
#: The workers of a storm; each is a process.
WORKERS = ("w1", "w2")
#: Messages that a producer sends in a second.
RATE = 60
#: Seconds that a process may take to begin to work.
_READY_S = 120.0
#: Rows that are read again, because transactions commit in another order than they begin.
_OVERLAP = 500


class Syncpipe:
    """Workers, client and target of ours."""

    name = "syncpipe"
    #: Seconds without any progress after which nothing more is expected.
    quiet_s = 25.0

    def __init__(self, ground: RedisGround | RabbitGround, folder: Path, dsn: str) -> None:
        """Work on *ground* and apply to the empty database at *dsn*; keep files in *folder*."""
        ground.fresh()
        self.folder = folder
        self._dsn = dsn
        self._config = folder / "syncpipe.toml"
        self._config.write_text(
            f"""
            shards = 4
            [broker]
            {ground.settings}
            [client]
            batch_max_ops = 1
            [targets.crm]
            type = "postgres"
            dsn = "{dsn}"
            [collections.messages]
            target = "crm"
            table = "public.messages"
            """
        )
        self._seen: dict[int, Delivery] = {}
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._connection.execute((Path(__file__).with_name("effects.sql")).read_text())
        for worker in WORKERS:
            self._make_role(worker)
        for verb in (("target", "init", "crm"), ("migrate",)):
            _run("-m", "syncpipe.cli", *verb, "--config", str(self._config))

    def worker(self, name: str) -> Command:
        """Return what runs the worker *name*; its role in the database has the same name."""
        dsn = conninfo.make_conninfo(self._dsn, user=name)
        log = self.folder / f"{name}.log"
        return Command(
            name=name,
            argv=(
                *(sys.executable, "-m", "workers", "--name", name, "--config", str(self._config)),
                *("--set", f"targets.crm.dsn={dsn}"),
            ),
            cwd=REPOSITORY,
            log=log,
            ready=lambda: b"worker-ready" in log.read_bytes(),
            ready_timeout_s=_READY_S,
        )

    def producer(self) -> Command:
        """Return what runs the producer."""
        return _producer(self.name, self.folder, os.environ)

    def deliveries(self, *, whole: bool = False) -> list[Delivery]:
        """Return the effects so far; with *whole* nothing that was committed is missing."""
        after = 0 if whole else max(self._seen, default=0) - _OVERLAP
        query = "SELECT seq, n, worker, at FROM public.effects WHERE seq > %s"
        rows = self._connection.execute(query, (after,)).fetchall()
        self._seen |= {seq: Delivery(*rest) for seq, *rest in rows}
        return list(self._seen.values())

    def is_busy(self, name: str, pid: int) -> bool:  # noqa: ARG002 - the database knows names
        """Return whether the database is at work for a worker, which waits for the answer."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND wait_event = %s"
        (number,) = self._connection.execute(query, (name, "PgSleep")).fetchone()
        return number > 0

    def repeats(self) -> int:
        """Return how many repeated deliveries the target has refused, as the workers' logs say."""
        lines = [
            json.loads(line)
            for log in self.folder.glob("w*.log")
            for line in log.read_text(errors="replace").splitlines()
            if line.startswith("{") and line.endswith("}")
        ]
        outcomes = [line["outcomes"] for line in lines if line.get("event") == "batch"]
        return sum(each.get("duplicate", 0) for each in outcomes)

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()

    def _make_role(self, name: str) -> None:
        known = self._connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
        if known.fetchone() is None:
            make = sql.SQL("CREATE ROLE {} SUPERUSER LOGIN").format(sql.Identifier(name))
            self._connection.execute(make)


class Stock:
    """Celery's own worker and producer, with a task that writes into a file."""

    name = "celery"

    def __init__(
        self, ground: RedisGround | RabbitGround, folder: Path, *, confirm: bool = True
    ) -> None:
        """Work on *ground*; *confirm* has RabbitMQ say that it has a message."""
        self.folder = folder
        self.url = ground.fresh()
        self._environment = os.environ | {
            "CHAOS_URL": self.url,
            "CHAOS_FOLDER": str(folder),
            "CHAOS_CONFIRM": "1" if confirm else "0",
        }
        # What Celery holds on Redis comes back after its visibility timeout, 10 s.
        self.quiet_s = 25.0 if ground.name == "redis" else 12.0
        self._book = Book(folder / "sink")
        self._begun: dict[tuple[str, str], int] = {}
        self._done: list[Delivery] = []

    def worker(self, name: str) -> Command:
        """Return what runs the worker *name*."""
        log = self.folder / f"{name}.log"
        return Command(
            name=name,
            argv=(
                *(sys.executable, "-m", "celery", "-A", "tests.chaos.brokers.celery_app", "worker"),
                *("-P", "threads", "-c", "4", "-Q", "chaos", "-l", "INFO", "-n", f"{name}@chaos"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ),
            env=self._environment | {"CHAOS_WORKER": name},
            cwd=REPOSITORY,
            log=log,
            ready=lambda: b" ready." in log.read_bytes(),
            ready_timeout_s=_READY_S,
        )

    def producer(self) -> Command:
        """Return what runs the producer."""
        return _producer(self.name, self.folder, self._environment)

    def deliveries(self, *, whole: bool = False) -> list[Delivery]:  # noqa: ARG002 - it always is
        """Return what was processed so far."""
        for step, number, worker, pid, at in self._book.news():
            change = 1 if step == "begin" else -1
            self._begun[number, pid] = self._begun.get((number, pid), 0) + change
            if step == "end":
                self._done.append(Delivery(int(number), worker, float(at)))
        return self._done

    def is_busy(self, name: str, pid: int) -> bool:  # noqa: ARG002 - the file knows processes
        """Return whether a worker has begun something that it has not ended."""
        self.deliveries()
        return any(count for (_, by), count in self._begun.items() if by == str(pid))

    def repeats(self) -> None:
        """Return nothing: the file holds every repeat."""

    def close(self) -> None:
        """Do nothing."""


def _producer(system: str, folder: Path, environment) -> Command:
    return Command(
        name="producer",
        argv=(
            *(sys.executable, "-m", "tests.chaos.brokers.producer"),
            *(system, str(folder), str(RATE)),
        ),
        env=dict(environment),
        cwd=REPOSITORY,
        log=folder / "producer.log",
        grace_s=90.0,
        restart=False,
    )


def _run(*arguments: str) -> None:
    """Run Python to its end. Raises RuntimeError, with what it said, if it fails."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed: {done.stderr}{done.stdout}")
