"""A schema in a PostgreSQL database as the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.store.postgres import migrating
from syncpipe.store.postgres.audit import PostgresAudit
from syncpipe.store.postgres.connections import Connections
from syncpipe.store.postgres.deadletters import PostgresLetters
from syncpipe.store.postgres.groups import PostgresGroups
from syncpipe.store.postgres.pauses import PostgresPauses
from syncpipe.store.postgres.replaying import PostgresReplaying
from syncpipe.store.postgres.replays import PostgresOutcomes, PostgresReplays
from syncpipe.store.postgres.schedule import PostgresSchedule
from syncpipe.store.postgres.statements import statement
from syncpipe.store.postgres.triage import PostgresTriage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.store.audit import Audit
    from syncpipe.store.deadletters import KeptLetters
    from syncpipe.store.groups import Groups
    from syncpipe.store.options import StoreOptions
    from syncpipe.store.pauses import Pauses
    from syncpipe.store.replays import Outcomes, Replaying, Replays
    from syncpipe.store.schedule import Schedule
    from syncpipe.store.store import Migration
    from syncpipe.store.triage import Triage


class PostgresStore:
    """Keeps what syncpipe has to remember; implements the port `OnCallStore`."""

    def __init__(self, options: StoreOptions, audit_key: bytes | None = None) -> None:
        """Prepare; nothing is opened yet. Without *audit_key*, nobody can do what is audited."""
        self._options = options
        self._connections = Connections(options)
        #: What was given up.
        self.dead_letters: KeptLetters = PostgresLetters(self._connections, options.schema)
        #: What is to be tried later.
        self.schedule: Schedule = PostgresSchedule(self._connections, options.schema)
        #: Which members of groups were applied, and which groups ended dead.
        self.groups: Groups = PostgresGroups(self._connections, options.schema)
        #: What people want of targets.
        self.pauses: Pauses = PostgresPauses(self._connections, options.schema, audit_key)
        #: What became of replayed operations.
        self.outcomes: Outcomes = PostgresOutcomes(self._connections, options.schema)
        #: What is sent again, for those who send it.
        self.replaying: Replaying = PostgresReplaying(self._connections, options.schema)
        #: What was given up, for people.
        self.triage: Triage = PostgresTriage(self._connections, options.schema, audit_key)
        #: What people did.
        self.audit: Audit = PostgresAudit(self._connections, options.schema, audit_key)
        #: What people have sent again.
        self.replays: Replays = PostgresReplays(self._connections, options.schema, audit_key)

    def check(self) -> None:
        """Return if the store can be used now. Raises StoreError."""
        with self._connections.connection() as connection:
            migrating.require(connection, self._options.schema)

    def migrate(self, *, post: bool = False) -> Sequence[Migration]:
        """Bring the tables to this release; return all migrations that have run."""
        options = self._options
        with self._connections.connection() as connection:
            return migrating.migrate(
                connection,
                options.schema,
                post=post,
                lock_timeout_ms=round(options.lock_timeout_s * 1000),
            )

    def memberships(self, roles: Iterable[str]) -> frozenset[str]:
        """Return which of these *roles* of the database its user is a member of."""
        with self._connections.connection() as connection:
            rows = connection.execute(statement("access", "memberships"), {"names": list(roles)})
            return frozenset(name for (name,) in rows)

    def close(self) -> None:
        """Give back connections. Idempotent."""
        self._connections.close()
