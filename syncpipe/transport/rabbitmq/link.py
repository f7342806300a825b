"""Connections to one RabbitMQ on which every exchange ends by its deadline."""

from __future__ import annotations

import os
import select
import socket
import ssl
import struct
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from kombu.transport import pyamqp

from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.rabbitmq.lookup import Lookup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.core.chance import Clock
    from syncpipe.transport.rabbitmq.address import Address
    from syncpipe.transport.rabbitmq.confirms import Publisher

#: Seconds that verbs without a deadline of their own may take.
DEFAULT_TIMEOUT_S = 5.0
_ErrorTypes = tuple[type[Exception], ...]
#: What RabbitMQ raises about one channel: it refuses what was asked of it.
REFUSED: _ErrorTypes = pyamqp.Transport.channel_errors
#: What a line raises when the other side refuses, is away, closes, or does not speak AMQP.
BROKEN: _ErrorTypes = (*pyamqp.Transport.connection_errors, *REFUSED, struct.error)
#: What else py-amqp raises about a line that was closed under its hands.
_CLOSED: _ErrorTypes = (*BROKEN, AttributeError)
#: Reply codes of AMQP.
ACCESS_REFUSED, NOT_FOUND, LOCKED, PRECONDITION_FAILED, NOT_ALLOWED = 403, 404, 405, 406, 530
#: Seconds that a polite goodbye may take.
_GOODBYE_S = 1.0


class Line(pyamqp.Connection):
    """A connection on which nothing waits longer than until :attr:`deadline`.

    It sends no heartbeats of its own, because nobody is there to send them while it is not lent;
    whether it is alive shows when it is lent again. Not thread-safe.
    """

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock,
        deadline: float,
        attempts: int = 1,
        heartbeat_s: int = 0,
    ) -> None:
        """Prepare; :meth:`connect` connects, before *deadline* (seconds of the monotonic clock).

        *attempts* to reach a host share the time, this one included. The host is a numeric address:
        looking up a name has no deadline. RabbitMQ closes the line when nothing was asked for twice
        *heartbeat_s* seconds; 0 means never.
        """
        #: When the present exchange has to end, in seconds of the monotonic clock.
        self.deadline = deadline
        #: Whether RabbitMQ has said that it takes no more messages for now.
        self.blocked = False
        #: What publishes on this line, if anything has.
        self.publisher: Publisher | None = None
        self._clock = clock
        super().__init__(
            host=address.place,
            userid=address.user,
            password=address.password,
            login_method="PLAIN",
            virtual_host=address.virtual_host,
            ssl=dict(address.tls) if address.tls is not None else False,
            connect_timeout=self._left() / attempts,
            heartbeat=heartbeat_s,
            on_blocked=self._pause,
            on_unblocked=self._resume,
        )

    @property
    def frame_writer(self) -> Callable[..., None]:
        """What writes the next frame, bounded by the deadline."""
        self._arm()
        return self._frame_writer

    @frame_writer.setter
    def frame_writer(self, writer: Callable[..., None]) -> None:
        """Take py-amqp's writer, which it makes anew with each connection."""
        self._frame_writer = writer

    def blocking_read(self, timeout: float | None = None) -> Any:
        """Read one frame before the deadline; with a *timeout* of 0, only if one has come."""
        self._arm()
        if timeout == 0 and not self.unread():
            raise TimeoutError
        # A timeout of 0 would spin for as long as only a part of a frame has come.
        return super().blocking_read()

    def unread(self) -> bool:
        """Tell whether something has come that nobody has read."""
        transport = self._transport
        if transport._read_buffer:  # noqa: SLF001 - py-amqp offers no other way to ask
            return True
        if isinstance(transport.sock, ssl.SSLSocket) and transport.sock.pending():
            return True
        watch = select.poll()
        watch.register(transport.sock, select.POLLIN)
        return bool(watch.poll(0))

    def alive(self) -> bool:
        """Tell whether the line looks open, after reading what RabbitMQ has said meanwhile."""
        try:
            while self.unread():
                self.blocking_read()
        except _CLOSED:
            return False
        return True

    def extend(self, timeout_s: float) -> None:
        """Give what follows *timeout_s* seconds from now."""
        self.deadline = self._clock.monotonic() + timeout_s

    def hang_up(self) -> None:
        """Close the connection as AMQP wants it, if that is quickly done."""
        self.extend(_GOODBYE_S)
        if not self.blocked:
            with suppress(*BROKEN):
                self.close()
        self.drop()

    def drop(self) -> None:
        """Close the connection at once. Idempotent."""
        transport = self._transport
        if transport is not None and transport.sock is not None:
            transport.sock.settimeout(0.1)  # the end of TLS waits for the other side
        with suppress(OSError, ValueError):
            self.collect()

    def _arm(self) -> None:
        """Let the next read or write of the socket end by the deadline."""
        if self._transport is None or self._transport.sock is None:
            raise ConnectionResetError("the connection is closed")
        self._transport.sock.settimeout(self._left())

    def _left(self) -> float:
        """Return the seconds left; raise ``TimeoutError`` when there are none."""
        left = self.deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        return left

    def _pause(self, _reason: str) -> None:
        self.blocked = True

    def _resume(self) -> None:
        self.blocked = False


class RabbitLink:
    """Lends connections to one RabbitMQ, one exchange at a time.

    Thread-safe; after a fork the child makes its own connections.
    """

    def __init__(self, address: Address, *, clock: Clock) -> None:
        """Prepare for *address*; connect nothing yet."""
        self._address = address
        self._clock = clock
        self._hosts = Lookup(partial(_hosts, address))
        self._idle: list[Line] = []
        self._pid = os.getpid()

    @contextmanager
    def lend(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[Line]:
        """Lend a line for one exchange of *timeout_s* seconds.

        Raises ``BrokerUnavailable`` when there is none, and in place of whatever the line raises.
        """
        deadline = self._clock.monotonic() + timeout_s
        line = self._reuse(deadline) or self.open(deadline)
        try:
            with answering(line):
                yield line
        except BaseException:
            self._drop_idle()
            raise
        if line.connected:
            self._adopted().append(line)
        else:
            self._drop_idle()

    def open(self, deadline: float, *, heartbeat_s: int = 0) -> Line:
        """Return a new line of the caller's own; raise ``BrokerUnavailable`` if there is none."""
        try:
            return self._connected(deadline, heartbeat_s)
        except BROKEN as error:
            raise BrokerUnavailable(self._why(error)) from error

    def _connected(self, deadline: float, heartbeat_s: int) -> Line:
        """Return a line to the first of the host's addresses that lets us connect."""
        hosts = self._numeric(deadline - self._clock.monotonic())
        for left in range(len(hosts), 0, -1):
            address = replace(self._address, host=hosts[-left])
            line = Line(
                address,
                clock=self._clock,
                deadline=deadline,
                attempts=left,
                heartbeat_s=heartbeat_s,
            )
            try:
                line.connect()
            except BROKEN as error:
                line.drop()
                if left == 1 or not isinstance(error, OSError):
                    raise
            else:
                return line
        raise ConnectionError("the host has no address")

    def _numeric(self, timeout_s: float) -> list[str]:
        """Return the numeric addresses of the host, in the order in which to try them."""
        host = self._address.host
        with suppress(ValueError):
            ip_address(host)
            return [host]
        return self._hosts.answer(timeout_s=timeout_s)

    def close(self) -> None:
        """Close all idle lines. Idempotent."""
        for line in self._all_idle():
            line.hang_up()

    def _drop_idle(self) -> None:
        """Drop all idle lines: what broke one broke them too, and each would cost a deadline."""
        for line in self._all_idle():
            line.drop()

    def _all_idle(self) -> Iterator[Line]:
        """Take the idle lines, one after the other."""
        idle = self._adopted()
        while True:
            try:
                line = idle.pop()
            except IndexError:
                return
            yield line

    def _adopted(self) -> list[Line]:
        """Return the idle lines of this process; a parent's are left alone."""
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()
        return self._idle

    def _reuse(self, deadline: float) -> Line | None:
        """Return an idle line that looks alive."""
        idle = self._adopted()
        while True:
            try:
                line = idle.pop()
            except IndexError:
                return None
            line.deadline = deadline
            if line.alive():
                return line
            line.drop()

    def _why(self, error: Exception) -> str:
        """Say why there is no connection; never with the password."""
        where = f"RabbitMQ at {self._address.place}"
        match getattr(error, "reply_code", None):
            case code if code == ACCESS_REFUSED:
                return f"{where} refused the user or password of the broker URL."
            case code if code == NOT_ALLOWED:
                host = self._address.virtual_host
                return f"{where} refused the virtual host {host!r} of the broker URL: {said(error)}"
        if isinstance(error, ssl.SSLError):
            return f"TLS with {where} failed: {said(error)}"
        return f"{where} cannot be reached: {said(error)}"


def _hosts(address: Address) -> list[str]:
    """Look up the numeric addresses of a host. Knows no deadline; raises ``OSError``."""
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


@contextmanager
def answering(line: Line) -> Iterator[None]:
    """Raise ``BrokerUnavailable`` for what *line* raises, which is then closed."""
    try:
        yield
    except BROKEN as error:
        line.drop()
        verb = "refused" if isinstance(error, REFUSED) else "did not answer"
        raise BrokerUnavailable(f"RabbitMQ {verb}: {said(error)}") from error
    except BaseException:
        line.drop()
        raise


def said(error: Exception) -> str:
    """Return what RabbitMQ, or the way to it, said, as the end of a sentence."""
    text = str(getattr(error, "reply_text", None) or error or type(error).__name__)
    return text.rstrip(". \n") + "."
