"""Where the store is, and what its audit is chained with."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncpipe.core.chain import read_key
from syncpipe.errors import ConfigError


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
    #: Seconds after which dead letters that were discarded, resolved or edited, and replays that
    #: ended, are deleted for good, where there is a key in [audit]; 0: never.
    discarded_keep_s: float = field(default=30 * 86400.0, metadata={"zero": True})


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of ``[audit]``."""

    #: Key of the audit's chain, at least 32 random bytes as hexadecimal digits or base64, for
    #: everybody of one store the same; empty: what is audited cannot be done.
    key: str = field(default="", repr=False, metadata={"secret": True})

    def __post_init__(self) -> None:
        """Look at the key.

        Raises:
            ConfigError: it is none, or too weak.

        """
        try:
            self.secret()
        except ValueError as error:
            hint = "`syncpipe audit key` makes one; write ${file:/run/secrets/audit_key} for it."
            message = f"This is no key of an audit: {str(error)[0].lower()}{str(error)[1:]}"
            raise ConfigError(message, unfit={"key": (message, hint)}) from error

    def secret(self) -> bytes | None:
        """Return the key; None if there is none."""
        return read_key(self.key) if self.key else None
