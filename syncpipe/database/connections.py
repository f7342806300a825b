"""The pool of connections to one database, with its errors translated."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

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
            "keepalives_idle": 30,
        }
        self._pool = ConnectionPool(
            options.dsn,
            kwargs=self._arguments,
            min_size=0,
            max_size=options.pool_max,
            open=False,
            timeout=options.connect_timeout_s,
            max_idle=300.0,
            reconnect_timeout=options.connect_timeout_s,
            configure=functools.partial(session.begin, options=options),
            name=f"syncpipe-{name}",
        )

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lend a connection in autocommit mode.

        Raises:
            SyncpipeError: what went wrong on it, translated.

        """
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as fault:
            raise self._why_none_was_free(fault) from fault
        except psycopg.Error as fault:
            if _lost(fault):
                self._pool.check()  # a restart breaks all idle connections at once
            raise self._translate(fault) from fault

    def close(self) -> None:
        """Close the pool. Idempotent."""
        self._pool.close()

    def _why_none_was_free(self, fault: PoolTimeout) -> SyncpipeError:
        """Ask once more without the pool, which does not say why it could not connect."""
        try:
            psycopg.connect(self._options.dsn, **self._arguments).close()
        except psycopg.Error as cause:
            return self._translate(cause)
        return self._translate(fault)


def _lost(fault: psycopg.Error) -> bool:
    if fault.sqlstate is None:
        return not isinstance(fault, psycopg.DataError)
    return fault.sqlstate.startswith(_LOST)
