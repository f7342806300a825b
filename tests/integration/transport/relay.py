"""A TCP relay to a server that can fall silent without closing anything."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Relay:
    """Passes bytes on both ways until it is told to swallow them."""

    def __init__(self, target: str | int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._deaf: set[socket.socket] = set()
        self._dark = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def fall_silent(self) -> None:
        """Swallow everything on the connections that are open now; new ones work."""
        self._deaf |= set(self._peers())

    def go_dark(self, *, on: bool) -> None:
        """Swallow everything, on new connections too, or let new ones pass again."""
        self._dark = on
        self.fall_silent()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(10)
        for connection in [*self._peers(), self._listener]:
            connection.close()
        self._selector.close()

    def _peers(self) -> list[socket.socket]:
        keys = list(self._selector.get_map().values())
        return [key.fileobj for key in keys if key.data is not None]

    def _run(self) -> None:
        while not self._stopped.is_set():
            for key, _ in self._selector.select(0.05):
                if key.data is None:
                    self._accept()
                elif key.fileobj.fileno() >= 0:  # the other end may have ended both in this round
                    self._pass_on(key.fileobj, key.data)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = self._connect()
        except OSError:
            near.close()
            return
        self._selector.register(near, selectors.EVENT_READ, far)
        self._selector.register(far, selectors.EVENT_READ, near)

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self._target)
        except OSError:
            far.close()
            raise
        return far

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            data = one.recv(65536)
            if data and not self._dark and one not in self._deaf:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for end in (one, other):
                self._selector.unregister(end)
                end.close()


@contextmanager
def relay(target: str | int) -> Iterator[Relay]:
    """Run a relay to *target*: the path of a unix socket, or a port of this machine."""
    running = Relay(target)
    try:
        yield running
    finally:
        running.stop()
