"""The brokers that everything happens on: how to strike one, and when it accepts again."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from kombu import Connection
from redis import Redis
from redis.exceptions import RedisError

from tests.chaos.processes import until

if TYPE_CHECKING:
    from syncpipe.supervisor import Supervisor
    from tests.rabbitmq import RabbitServer
    from tests.servers import RedisServer

#: Seconds that a broker may take to end, and to accept connections again.
_END_S, _ACCEPT_S = 60.0, 180.0


class RedisGround:
    """A Redis whose AOF is written always."""

    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        """Use *server*, which comes back when it is killed."""
        self._server = server
        self.settings = f'url = "{server.url}"'

    def fresh(self) -> str:
        """Empty it and return its address."""
        with self.client() as client:
            client.flushall()
        return self._server.url

    def client(self) -> Redis:
        """Return a connection to look through."""
        return Redis(unix_socket_path=self._server.socket, socket_timeout=5)

    def strike(self, signum: int) -> float:
        """Send it *signum*; return the moment at which it accepts connections again."""
        return _strike(self._server.supervisor, "redis", signum, self._accepts)

    def _accepts(self) -> bool:
        with suppress(RedisError, OSError), self.client() as client:
            return bool(client.ping())
        return False


class RabbitGround:
    """A RabbitMQ of one node, whose queues are quorum queues."""

    name = "rabbitmq"

    def __init__(self, server: RabbitServer) -> None:
        """Use *server*, which comes back when it is killed."""
        self._server = server
        self._url = ""

    @property
    def settings(self) -> str:
        """How the configuration names it."""
        return f'url = "{self._url}"\nmanagement_url = "{self._server.management_url}"'

    def fresh(self) -> str:
        """Make an empty virtual host and return its address."""
        self._url = self._server.url(self._server.new_host())
        return self._url

    def strike(self, signum: int) -> float:
        """Send it *signum*; return the moment at which it accepts connections again."""
        return _strike(self._server.supervisor, "rabbitmq", signum, self._accepts)

    def _accepts(self) -> bool:
        with (
            suppress(OSError, *Connection(self._url).connection_errors),
            Connection(self._url, connect_timeout=2) as connection,
        ):
            connection.connect()
            return True
        return False


def _strike(supervisor: Supervisor, name: str, signum: int, accepts) -> float:
    """Send *signum*; raises RuntimeError if the broker does not end or does not come back."""
    pid = supervisor.pids()[name]
    if pid is None:
        raise RuntimeError(f"{name} did not run when it was to be killed.")
    os.kill(pid, signum)
    if not until(lambda: supervisor.pids()[name] != pid, _END_S, every_s=0.005):
        raise RuntimeError(f"{name} survived signal {signum}.")
    if not until(accepts, _ACCEPT_S):
        raise RuntimeError(f"{name} does not come back.")
    return time.time()
