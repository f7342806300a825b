"""The pool of connections to the store, with errors translated, and the check of its tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from syncpipe.database import connections
from syncpipe.errors import StoreOutdated, StoreUnavailable
from syncpipe.store.postgres import migrating

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from syncpipe.errors import StoreError
    from syncpipe.store.options import StoreOptions

#: SQLSTATEs of what is not there: schema, table, column, function.
_NOT_THERE = ("3F000", "42P01", "42703", "42883")


class Connections(connections.Connections):
    """Connections to the store; what goes wrong on them is a StoreError."""

    def __init__(self, options: StoreOptions) -> None:
        """Remember *options*; nothing is opened yet."""
        super().__init__(options, name="store", translate=_error)
        self._schema = options.schema
        self._current = False

    @contextlib.contextmanager
    def current(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lend a connection in autocommit mode to tables that are found to be of this release.

        They are looked at once: what is missing later says so itself.

        Raises:
            StoreUnavailable: the database does not answer.
            StoreOutdated: the tables are missing, or of another release.

        """
        with self.connection() as connection:
            if not self._current:
                migrating.require(connection, self._schema)
                self._current = True
            yield connection


def _error(fault: psycopg.Error) -> StoreError:
    if fault.sqlstate is None:
        lines = str(fault).strip().splitlines() or [type(fault).__name__]
        return StoreUnavailable(f"The store does not answer: {lines[0].rstrip('.')}.")
    text = fault.diag.message_primary or str(fault)
    if fault.sqlstate in _NOT_THERE:
        return StoreOutdated(f"The store answered {fault.sqlstate}: {text}.")
    return StoreUnavailable(f"The store answered {fault.sqlstate}: {text}.")
