"""Where the store is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Options of ``[store]``."""

    #: Connection string or URL of a PostgreSQL database as libpq takes it; empty: no store.
    dsn: str = field(default="", repr=False)
    #: Schema of the store's tables; it may be the one that a target in that database has.
    schema: str = "syncpipe"
    #: Most connections that one process holds.
    pool_max: int = 2
    #: Seconds for making a connection.
    connect_timeout_s: float = 3.0
    #: Seconds for one statement.
    statement_timeout_s: float = 30.0
    #: Seconds for one lock.
    lock_timeout_s: float = 5.0
    #: Seconds that a transaction of ours may be idle, before the server ends it.
    idle_in_transaction_timeout_s: float = 30.0
