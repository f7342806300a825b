"""The pool of connections to one target, with database errors translated."""

from __future__ import annotations

import contextlib
import functools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from syncpipe.errors import TargetBusy, TargetUnavailable
from syncpipe.resilience.classification import Classification
from syncpipe.targets.postgres.refusal import translate
from syncpipe.targets.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.errors import TargetError
    from syncpipe.targets.postgres.options import PostgresOptions

_exact_json = functools.partial(json.loads, parse_float=Decimal)


class Connections:
    """Connections to one target; made when first needed."""

    def __init__(self, options: PostgresOptions) -> None:
        """Remember *options*; nothing is opened yet."""
        self._options = options
        self._classification = Classification(options.classify)
        self._pool = ConnectionPool(
            options.dsn,
            kwargs=_connect_arguments(options),
            min_size=0,
            max_size=options.pool_max,
            open=False,
            timeout=options.connect_timeout_s,
            max_idle=300.0,
            reconnect_timeout=options.connect_timeout_s,
            configure=self._configure,
            name=f"syncpipe-{options.name}",
        )

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lend a connection in autocommit mode.

        Raises:
            TargetError: what went wrong on it, translated.

        """
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as fault:
            raise self._why_none_was_free(fault) from fault
        except psycopg.Error as fault:
            error = translate(fault, self._options.name, self._classification)
            if isinstance(error, TargetUnavailable):
                self._pool.check()  # a restart breaks all idle connections at once
            raise error from fault

    def close(self) -> None:
        """Close the pool. Idempotent."""
        self._pool.close()

    def _configure(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        options = self._options
        set_json_loads(_exact_json, connection)
        connection.execute(
            statement("session", "settings"),
            {
                "statement_timeout": _milliseconds(options.statement_timeout_s),
                "lock_timeout": _milliseconds(options.lock_timeout_s),
                "idle_timeout": _milliseconds(options.idle_in_transaction_timeout_s),
            },
        )

    def _why_none_was_free(self, fault: PoolTimeout) -> TargetError:
        """Ask once more without the pool, which does not say why it could not connect."""
        try:
            psycopg.connect(self._options.dsn, **_connect_arguments(self._options)).close()
        except psycopg.Error as cause:
            return translate(cause, self._options.name, self._classification)
        return TargetBusy(f"Target {self._options.name!r}: all connections are in use: {fault}.")


def _connect_arguments(options: PostgresOptions) -> dict[str, Any]:
    return {
        "autocommit": True,
        "connect_timeout": max(2, round(options.connect_timeout_s)),  # libpq's smallest is 2
        "application_name": f"syncpipe {options.name}",
        "keepalives_idle": 30,
    }


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
