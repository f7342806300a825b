"""Real servers for tests: private, on unix sockets, fast because nothing has to survive."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import conninfo, sql
from redis import Redis

from syncpipe.embedded import postgres, redis
from syncpipe.errors import EmbeddedError
from syncpipe.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator


#: How many parts a Redis Cluster has; how far a node's second port lies above its first.
_SLOTS, _BUS_OFFSET = 16_384, 10_000
#: Where Linux keeps files in memory, and how many free bytes there are enough for all servers.
_MEMORY, _ENOUGH = Path("/dev/shm"), 4 * 2**30


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets, that PostgreSQL's user may pass.

    It lies in memory where that is possible: a copy of a database takes a fifth of the time there,
    and nothing waits for a disk. Tests kill processes and never the machine, so what a killed
    server has written is found again all the same.
    """
    directory = Path(tempfile.mkdtemp(prefix="sp-test-", dir=_MEMORY if _roomy() else "/tmp"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _roomy() -> bool:
    """Whether there is memory for files, with room for servers and for programs to be run."""
    if not os.access(_MEMORY, os.W_OK | os.X_OK) or not os.path.ismount(_MEMORY):
        return False
    found = os.statvfs(_MEMORY)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= _ENOUGH


@dataclass(frozen=True)
class RedisServer:
    """A running private Redis."""

    #: Directory of data, log and socket.
    root: Path
    #: Keeps it running; ``supervisor.pids()["redis"]`` is its process id.
    supervisor: Supervisor

    @property
    def url(self) -> str:
        """Address for kombu and Celery."""
        return redis.url(self.root / "run")

    @property
    def socket(self) -> str:
        """Path of its socket, for redis-py's ``unix_socket_path``."""
        return str(redis.socket_path(self.root / "run"))

    @property
    def log(self) -> Path:
        """Its log."""
        return self.root / "redis.log"


@dataclass(frozen=True)
class PostgresServer:
    """A running private PostgreSQL; tests work in databases of their own."""

    #: Address of its first database, as superuser.
    dsn: str
    #: Major release.
    major: int
    #: Keeps it running; ``supervisor.pids()["postgres"]`` is its process id.
    supervisor: Supervisor
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def new_database(self, *, template: str = "template1") -> str:
        """Create a database, as a copy of *template*, and return its address."""
        name = f"test_{next(self._numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        parts = conninfo.conninfo_to_dict(self.dsn)
        return conninfo.make_conninfo(**(parts | {"dbname": name}))  # type: ignore[arg-type]

    def drop_database(self, dsn: str) -> None:
        """Remove the database at *dsn*, whoever is still connected."""
        name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def redis_server(*, append_fsync: str = "everysec") -> Iterator[RedisServer]:
    """Run a Redis of our own; a killed one comes back by itself."""
    with short_directory() as root, Supervisor() as supervisor, _skipping():
        supervisor.start(
            redis.command(
                root / "data",
                root / "run",
                log=root / "redis.log",
                append_fsync="always" if append_fsync == "always" else "everysec",
            )
        )
        yield RedisServer(root, supervisor)


@contextmanager
def redis_cluster() -> Iterator[str]:
    """Run a Redis that is the only node of a cluster; give its address."""
    with short_directory() as root, Supervisor() as supervisor, _skipping():
        node = redis.command(root / "data", root / "run", log=root / "redis.log")
        port = str(_port_of_a_node())
        options = ("--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes")
        supervisor.start(replace(node, argv=(*node.argv, *options)))
        with Redis(unix_socket_path=str(redis.socket_path(root / "run"))) as client:
            client.execute_command("CLUSTER ADDSLOTS", *range(_SLOTS))
        yield redis.url(root / "run")


def _port_of_a_node() -> int:
    """Return a free port; a node listens to the others on the one that is so much higher."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as bus:
            port = int(bus.getsockname()[1]) - _BUS_OFFSET
            with suppress(OSError), socket.create_server(("127.0.0.1", port)):
                return port


@contextmanager
def postgres_server(*, major: int = 18, durable: bool = False) -> Iterator[PostgresServer]:
    """Run a PostgreSQL of our own; a killed one comes back by itself."""
    with short_directory() as root, Supervisor() as supervisor, _skipping():
        server = postgres.prepare(root / "data", root / "run", major=major, durable=durable)
        supervisor.start(server.command(log=root / "postgres.log", durable=durable))
        yield PostgresServer(server.dsn, major, supervisor)


@contextmanager
def _skipping() -> Iterator[None]:
    """Skip the test where a machine has no server to start; the error says what to install."""
    try:
        yield
    except EmbeddedError as error:
        pytest.skip(str(error))
