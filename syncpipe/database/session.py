"""What every session of ours begins with, and the server's clock."""

from __future__ import annotations

import functools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, cast

from psycopg.types.json import set_json_loads

from syncpipe.database.statements import Statements

if TYPE_CHECKING:
    import psycopg

_statement = Statements(__package__)
_exact_json = functools.partial(json.loads, parse_float=Decimal)


class SessionOptions(Protocol):
    """How to connect to a server, and how long to wait for it."""

    @property
    def dsn(self) -> str:
        """Connection string or URL as libpq takes it."""
        ...

    @property
    def pool_max(self) -> int:
        """Most connections that one process holds."""
        ...

    @property
    def connect_timeout_s(self) -> float:
        """Seconds for making a connection."""
        ...

    @property
    def statement_timeout_s(self) -> float:
        """Seconds for one statement."""
        ...

    @property
    def lock_timeout_s(self) -> float:
        """Seconds for one lock."""
        ...

    @property
    def idle_in_transaction_timeout_s(self) -> float:
        """Seconds that a transaction of ours may be idle, before the server ends it."""
        ...


def begin(connection: psycopg.Connection[Any], options: SessionOptions) -> None:
    """Make a new *connection* one of ours: its timeouts, and forms of values."""
    set_json_loads(_exact_json, connection)
    connection.execute(
        _statement("session", "settings"),
        {
            "statement_timeout": _milliseconds(options.statement_timeout_s),
            "lock_timeout": _milliseconds(options.lock_timeout_s),
            "idle_timeout": _milliseconds(options.idle_in_transaction_timeout_s),
        },
    )


def now_ms(connection: psycopg.Connection[Any]) -> int:
    """Return the server's clock, milliseconds since the Unix epoch."""
    row = connection.execute(_statement("session", "clock")).fetchone()
    return cast("tuple[int]", row)[0]


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
