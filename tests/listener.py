"""A socket in place of a server, to count who connects."""

from __future__ import annotations

import socket
import threading


class Listener:
    """Takes connections and ends them at once, as a database does that is shutting down."""

    def __init__(self):
        """Listen."""
        #: How many connections were taken.
        self.seen = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        #: Its address as libpq takes it.
        self.dsn = f"host=127.0.0.1 port={self._socket.getsockname()[1]} dbname=x user=y"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        """Return the listener itself."""
        return self

    def __exit__(self, *_):
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.seen += 1
            connection.close()
