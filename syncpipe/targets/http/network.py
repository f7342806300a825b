"""Connections that keep a deadline, however slowly the other side drips.

The timeouts of sockets hold for a single read, and those of names not at all. Here each step gets
what is left of the whole.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

import httpcore2

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    from syncpipe.core.chance import Clock

_FOREVER_S = float("inf")


class Network(httpcore2.NetworkBackend):
    """Makes connections. Thread-safe: each thread has a deadline of its own."""

    def __init__(self, clock: Clock) -> None:
        """Measure with *clock*."""
        self._clock = clock
        self._thread = threading.local()
        self._sockets = httpcore2.SyncBackend()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let what this thread does in the block end within so many *seconds*, or before."""
        outer = self._until
        self._thread.until = min(outer, self._clock.monotonic() + seconds)
        try:
            yield
        finally:
            self._thread.until = outer

    def left_s(self, timeout: float | None, late: type[httpcore2.TimeoutException]) -> float:
        """Return the seconds that the next step may take, at most *timeout*.

        Raises:
            httpcore2.TimeoutException: none are left; *late* says what they were wanted for.

        """
        left_s = self._until - self._clock.monotonic()
        if left_s <= 0:
            raise late("The time was up.")
        return left_s if timeout is None else min(left_s, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address of *host* that answers; all of them share the *timeout*.

        Raises:
            httpcore2.ConnectError: none does; `socket.gaierror` in it says that there is none.
            httpcore2.ConnectTimeout: that was not known in time.

        """
        late = httpcore2.ConnectTimeout
        with self.within(_FOREVER_S if timeout is None else timeout):
            addresses = _resolved(host, port, self.left_s(None, late))
            for others in reversed(range(len(addresses))):
                address = addresses[-1 - others]
                share_s = self.left_s(None, late) / (others + 1)
                try:
                    inner = self._sockets.connect_tcp(
                        address, port, share_s, local_address, socket_options
                    )
                except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                    if not others:
                        raise
                else:
                    return Stream(inner, self)
        raise httpcore2.ConnectError(f"{host} has no address.")

    @property
    def _until(self) -> float:
        until: float = getattr(self._thread, "until", _FOREVER_S)
        return until


class Stream(httpcore2.NetworkStream):
    """One connection of a `Network`."""

    def __init__(self, inner: httpcore2.NetworkStream, network: Network) -> None:
        """Do with *inner* what the deadlines of *network* let us."""
        self._inner = inner
        self._network = network
        #: Whether anything has come since something was sent.
        self.heard = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, at most *max_bytes*; nothing when the other side has ended."""
        left_s = self._network.left_s(timeout, httpcore2.ReadTimeout)
        self.heard = True
        return self._inner.read(max_bytes, left_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of *buffer*."""
        self.heard = False
        connection: socket.socket = self._inner.get_extra_info("socket")
        view = memoryview(buffer)
        try:
            while view:
                connection.settimeout(self._network.left_s(timeout, httpcore2.WriteTimeout))
                view = view[connection.send(view) :]
        except TimeoutError as fault:
            raise httpcore2.WriteTimeout(fault) from fault
        except OSError as fault:
            raise httpcore2.WriteError(fault) from fault

    def close(self) -> None:
        """End the connection."""
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        """Return the connection with TLS over it; end it if that cannot be."""
        try:
            left_s = self._network.left_s(timeout, httpcore2.ConnectTimeout)
            inner = self._inner.start_tls(ssl_context, server_hostname, left_s)
        except BaseException:
            self.close()
            raise
        return Stream(inner, self._network)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._inner.get_extra_info(info)


def _resolved(host: str, port: int, timeout_s: float) -> list[str]:
    """Return the addresses of *host*; its name is looked up in a thread, which cannot be hurried.

    Raises:
        httpcore2.ConnectError: there are none; it holds what says so.
        httpcore2.ConnectTimeout: nobody could tell in time.

    """
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as fault:
            answers.put(fault)

    threading.Thread(target=look_up, name="look up a name", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty as fault:
        raise httpcore2.ConnectTimeout(f"Nobody could tell the address of {host}.") from fault
    if isinstance(answer, Exception):
        raise httpcore2.ConnectError(answer) from answer
    return [str(entry[4][0]) for entry in answer]
