"""How to connect to a PostgreSQL target."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- the schema reads these annotations
from dataclasses import dataclass, field

from syncpipe.resilience.classification import (
    ErrorClass,  # noqa: TC001 -- the schema reads these annotations
)


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Options of ``[targets.NAME]`` with ``type = "postgres"``."""

    #: Name of the target.
    name: str
    #: Connection string or URL as libpq takes it.
    dsn: str = field(repr=False)
    #: Schema of syncpipe's own tables in the target's database.
    schema: str = "syncpipe"
    #: Most connections that one process holds.
    pool_max: int = 4
    #: Seconds for making a connection.
    connect_timeout_s: float = 3.0
    #: Seconds for one statement.
    statement_timeout_s: float = 30.0
    #: Seconds for one lock.
    lock_timeout_s: float = 5.0
    #: Seconds that a transaction of ours may be idle, before the server ends it.
    idle_in_transaction_timeout_s: float = 30.0
    #: What errors mean here, where it differs: an SQLSTATE, or its beginning, to transient,
    #: throttled, outage, misconfigured, refused-temporary, refused-permanent or too-slow.
    classify: Mapping[str, ErrorClass] = field(default_factory=dict)
