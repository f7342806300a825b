"""The pool of connections to one database, with its errors translated."""

from __future__ import annotations

import contextlib
import functools
import threading
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from syncpipe.database import session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.database.session import SessionOptions
    from syncpipe.errors import SyncpipeError

#: SQLSTATEs after which other connections of the pool may be broken too: connection exceptions, and
#: those of a server that ends or restarts.
_LOST = ("08", "57P")


class Connections:
    """Connections to one database; made when first needed."""

    def __init__(
        self,
        options: SessionOptions,
        *,
        name: str,
        translate: Callable[[psycopg.Error], SyncpipeError],
    ) -> None:
        """Remember *options*; nothing is opened yet.

        The server knows us as *name*. What the driver raises becomes what *translate* returns for
        it; PoolTimeout says that all connections are in use.
        """
        self._options = options
        self._translate = translate
        self._arguments: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": max(2, round(options.connect_timeout_s)),  # libpq's smallest is 2
            "application_name": f"syncpipe {name}",
            # Whatever the address, the role or the database say: binary parameters hold UTF-8.
            "client_encoding": "UTF8",
            # A machine that is gone without a word is noticed after 25 s, whoever waits for whom.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25_000,
        }
        self._name = name
        self._replacing = threading.Lock()
        self._pool = self._new_pool()

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lend a connection in autocommit mode.

        Raises:
            SyncpipeError: what went wrong on it, translated.

        """
        pool = self._opened()
        try:
            with pool.connection() as connection:
                yield connection
        except (PoolTimeout, PoolClosed) as fault:
            raise self._why_none_was_free(fault) from fault
        except psycopg.Error as fault:
            if _lost(fault):
                self._replace(pool)  # a restart breaks all idle connections at once
            raise self._translate(fault) from fault

    def probe(self) -> None:
        """Return if the server answers on a new connection: one attempt, whatever the pool has.

        Raises:
            SyncpipeError: why it does not, translated.

        """
        try:
            with psycopg.connect(self._options.dsn, **self._arguments) as connection:
                session.now_ms(connection)
        except psycopg.Error as fault:
            raise self._translate(fault) from fault

    def close(self) -> None:
        """Close the pool. Idempotent."""
        self._pool.close()

    def _opened(self) -> ConnectionPool:
        """Return the present pool."""
        while True:
            pool = self._pool
            try:
                pool.open()
            except psycopg.OperationalError as fault:  # it is closed
                if self._pool is pool:
                    raise self._translate(fault) from fault
            else:
                return pool

    def _new_pool(self) -> ConnectionPool:
        return ConnectionPool(
            self._options.dsn,
            kwargs=self._arguments,
            min_size=0,
            max_size=self._options.pool_max,
            open=False,
            timeout=self._options.connect_timeout_s,
            max_idle=300.0,
            # When to try again is not the pool's to decide.
            reconnect_timeout=0.0,
            reconnect_failed=self._give_up,
            configure=functools.partial(session.begin, options=self._options),
            name=f"syncpipe-{self._name}",
        )

    def _give_up(self, pool: ConnectionPool) -> None:
        """Let nobody wait for *pool*, which cannot connect. A thread of its own calls this."""
        threading.Thread(target=self._replace, args=(pool,), daemon=True).start()

    def _replace(self, pool: ConnectionPool) -> None:
        """Close *pool* and whatever is idle in it; who needs a connection makes a new one."""
        with self._replacing:
            if self._pool is pool and not pool.closed:
                self._pool = self._new_pool()
        pool.close(timeout=0.0)

    def _why_none_was_free(self, fault: psycopg.Error) -> SyncpipeError:
        """Ask once more without the pool, which does not say why it could not connect."""
        try:
            psycopg.connect(self._options.dsn, **self._arguments).close()
        except psycopg.Error as cause:
            return self._translate(cause)
        if isinstance(fault, PoolClosed):
            fault = psycopg.OperationalError("The server could not be connected a moment ago.")
        return self._translate(fault)


def _lost(fault: psycopg.Error) -> bool:
    if fault.sqlstate is None:
        return not isinstance(fault, psycopg.DataError)
    return fault.sqlstate.startswith(_LOST)
