"""The servers that everything happens on."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg import conninfo, sql
from redis import Redis

from tests.servers import PostgresServer, postgres_server, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ground:
    """A Redis, the PostgreSQL of the target that fails, and another for everything else."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the servers."""
        self.redis = self._stack.enter_context(redis_server(append_fsync="always"))
        #: Holds the target `crm`, and is the one that is stopped.
        self.first: PostgresServer = self._stack.enter_context(postgres_server())
        #: Holds the target `erp` and the store.
        self.second: PostgresServer = self._stack.enter_context(postgres_server())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the servers."""
        self._stack.close()

    def empty_broker(self) -> str:
        """Return the address of the broker, with nothing in it."""
        with Redis(unix_socket_path=self.redis.socket) as client:
            client.flushall()
        return self.redis.url

    def stop_first(self) -> None:
        """Stop the server of `crm`; every connection to it ends."""
        self.first.supervisor.pause("postgres")

    def start_first(self) -> None:
        """Start it again; return when it accepts connections."""
        self.first.supervisor.resume("postgres")


@contextmanager
def locked_out(dsn: str, server: PostgresServer) -> Iterator[None]:
    """Let nobody into the database at *dsn* of *server*, and end whoever is in it."""
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    allow = "ALTER DATABASE {} ALLOW_CONNECTIONS {}"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL(allow).format(sql.Identifier(name), sql.SQL("false")))
        connection.execute(end, (name,))
        try:
            yield
        finally:
            connection.execute(sql.SQL(allow).format(sql.Identifier(name), sql.SQL("true")))
