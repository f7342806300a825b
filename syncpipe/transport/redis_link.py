"""Connections to one Redis on which every exchange ends by its deadline."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - connecting to any host would import it; see `pool_of`
import math
import os
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import urlsplit

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.connection import DefaultParser
from redis.retry import Retry

from syncpipe.errors import BrokerUnavailable, BrokerUnsupported, ConfigError, DeliveryTimeout

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from syncpipe.core.chance import Clock

#: Seconds that verbs without a deadline of their own may take.
DEFAULT_TIMEOUT_S = 5.0
#: Seconds for which a connection that has just answered counts as alive without a look at it.
_FRESH_S = 0.05
#: Why a node of a Redis Cluster is refused.
CLUSTERED = "This Redis is a node of a Redis Cluster: no script can reach all queues."
#: What a connection raises when the other side is away, closes, or does not speak Redis.
_BROKEN = (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse, OSError)
#: Seconds that a write has at least: none would mean not to wait at all.
_LEAST_S = 0.001
#: Most bytes in one read.
_READ_BYTES = 65536
#: One part of a command.
Part = str | bytes | int | float
#: Packs one command; hiredis gives its argument the type of a tuple of one part.
_pack = cast("Callable[[tuple[Part, ...]], bytes]", hiredis.pack_command)


class _Connection(Protocol):
    """What we use of a connection of redis-py, which leaves these untyped."""

    _sock: socket.socket

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def can_read(self) -> bool: ...


class _Line:
    """A connection that redis-py has opened.

    It is written and read here, because what redis-py does around each command and reply takes
    longer than both, and because one write has to end by a deadline.
    """

    def __init__(self, connection: _Connection, clock: Clock) -> None:
        """Take over *connection*, on which no reply is due."""
        self._clock = clock
        #: Monotonic seconds at which it answered last.
        self.answered = -math.inf
        self._connection = connection
        self._socket = connection._sock  # noqa: SLF001 - redis-py offers no other way to it
        self._replies = hiredis.Reader(
            protocolError=redis.InvalidResponse, replyError=DefaultParser.parse_error
        )

    def send(self, commands: Sequence[tuple[Part, ...]], deadline: float) -> None:
        """Write all *commands* before *deadline*."""
        left = memoryview(b"".join(map(_pack, commands)))
        while left:  # `sendall` would begin its time anew with each piece, over TLS
            self._socket.settimeout(max(_LEAST_S, deadline - self._clock.monotonic()))
            left = left[self._socket.send(left) :]

    def reply(self) -> Any:
        """Return the next reply that has come, False if none has; a refusal is a reply too."""
        reply = self._replies.gets()
        if isinstance(reply, redis.ConnectionError):
            raise reply
        return reply

    @property
    def ahead(self) -> bool:
        """Whether more has come than was asked for: every reply from now on would be another's."""
        return self._replies.has_data()

    def read(self, timeout_s: float) -> None:
        """Read what comes next within so many seconds."""
        self._socket.settimeout(timeout_s)
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise redis.ConnectionError("Redis closed the connection.")
        self._replies.feed(data)

    def alive(self) -> bool:
        """Tell whether the connection is open and has nothing unread."""
        try:
            return not self._connection.can_read()
        except _BROKEN:
            return False

    def close(self) -> None:
        """Close it. Idempotent."""
        self._connection.disconnect()


class RedisLink:
    """Lends connections to one Redis, one exchange at a time.

    Thread-safe; after a fork the child makes its own connections.
    """

    def __init__(self, url: str, *, clock: Clock) -> None:
        """Prepare for *url* (Celery's form); connect nothing yet. Raises ``ConfigError`` if bad."""
        pool = pool_of(url)
        self._new_connection = cast("Callable[..., _Connection]", pool.connection_class)
        self._options: dict[str, Any] = {
            **pool.connection_kwargs,
            "retry": Retry(NoBackoff(), 0),
            "health_check_interval": 0,
            "protocol": 2,
        }
        self._clock = clock
        self._idle: list[_Line] = []
        self._pid = os.getpid()

    def exchange(
        self, commands: Sequence[tuple[Part, ...]], *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> list[Any]:
        """Send all commands in one go; return their replies within *timeout_s* seconds.

        A command that Redis refused has its ``redis.ResponseError`` in its place; one whose reply
        did not come has a ``DeliveryTimeout``: nobody can know whether it was carried out. Raises
        ``BrokerUnavailable`` when nothing was sent, and ``BrokerUnsupported`` for a Redis Cluster.
        """
        deadline = self._clock.monotonic() + timeout_s
        line = self._connect(deadline)
        replies: list[Any] = []
        try:
            line.send(commands, deadline)
            for _ in commands:
                replies.append(self._receive(line, deadline))  # noqa: PERF401 - kept on failure
        except _BROKEN as error:
            line.close()
            lost = DeliveryTimeout(f"Redis did not answer: {said(error)}")
            return replies + [lost] * (len(commands) - len(replies))
        except BaseException:
            line.close()
            raise
        if line.ahead:
            line.close()
        else:
            line.answered = self._clock.monotonic()
            self._idle.append(line)
        return replies

    def ask(self, name: str, *args: Part) -> Any:
        """Return the reply to one command; raise ``BrokerUnavailable`` when there is none."""
        (reply,) = self.exchange([(name, *args)])
        if isinstance(reply, DeliveryTimeout | redis.ResponseError):
            raise BrokerUnavailable(f"Redis did not carry out {name}: {said(reply)}") from reply
        return reply

    def close(self) -> None:
        """Close all idle connections. Idempotent."""
        for line in self._adopted():
            line.close()
        self._idle.clear()

    def _adopted(self) -> list[_Line]:
        """Return the idle connections of this process; a parent's are left alone."""
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()
        return self._idle

    def _connect(self, deadline: float) -> _Line:
        """Return a connection that looks alive: an idle one, or a new one."""
        idle = self._adopted()
        while True:
            try:
                line = idle.pop()
            except IndexError:
                break
            if self._clock.monotonic() - line.answered < _FRESH_S or line.alive():
                return line
            line.close()
        left = self._left(deadline)
        timeouts = {"socket_timeout": left, "socket_connect_timeout": left}
        connection = self._new_connection(**{**self._options, **timeouts})
        try:
            connection.connect()
            line = _Line(connection, self._clock)
            clustered = self._is_clustered(line, deadline)
        except redis.AuthenticationError as error:
            connection.disconnect()
            raise BrokerUnavailable(
                f"Redis refused the user or password of the broker URL: {said(error)}"
            ) from error
        except (*_BROKEN, redis.ResponseError) as error:
            connection.disconnect()
            raise BrokerUnavailable(f"Redis cannot be reached: {said(error)}") from error
        if clustered:
            connection.disconnect()
            raise BrokerUnsupported(CLUSTERED)
        return line

    def _is_clustered(self, line: _Line, deadline: float) -> bool:
        """Ask whether this is a node of a Redis Cluster; one that does not tell is none."""
        line.send([("INFO", "cluster")], deadline)
        told = self._receive(line, deadline)
        return isinstance(told, bytes) and b"cluster_enabled:1" in told

    def _left(self, deadline: float) -> float:
        """Return the seconds left; raise ``BrokerUnavailable`` when there are none."""
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise BrokerUnavailable("Redis could not be reached in time.")
        return left

    def _receive(self, line: _Line, deadline: float) -> Any:
        """Read one reply before the deadline; a refusal is a reply too."""
        while (reply := line.reply()) is False:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise TimeoutError
            line.read(left)
        return reply


def pool_of(url: str) -> redis.ConnectionPool:
    """Return connections to *url*, none of them open. Raises ``ConfigError`` if it is no URL.

    Connecting imports nothing afterwards. A child forked while another thread imports a module can
    never import it itself: it would wait for that thread, which it does not have.
    """
    try:
        _check_address(url)
        pool = redis.ConnectionPool.from_url(_native(url))
        pool.connection_class(**pool.connection_kwargs)  # redis-py imports more with the first one
    except (ValueError, TypeError, redis.RedisError) as error:
        raise ConfigError(f"The broker URL cannot be used: {said(error)}") from error
    return pool


def _check_address(url: str) -> None:
    """Raise ValueError for a malformed *url*, without showing what may be a part of its password.

    Of a database that is no number redis-py makes 0, and kombu an error.
    """
    if url.startswith("redis+socket://"):
        return
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is checked when it is asked for
    except ValueError:
        raise ValueError("malformed host or port") from None
    database = parts.path.strip("/")
    if database and not database.isdecimal():
        raise ValueError("what follows the host is not the number of a database")


def said(error: Exception) -> str:
    """Return what Redis, or the way to it, said, as the end of a sentence."""
    return (str(error).rstrip(". \n") or type(error).__name__) + "."


def _native(url: str) -> str:
    """Return Celery's URL in the form that redis-py takes."""
    if url.startswith("redis+socket://"):
        return "unix://" + url.removeprefix("redis+socket://").replace("virtual_host=", "db=")
    return url
