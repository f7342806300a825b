"""Tables of a user's own, and what their target refuses."""

from __future__ import annotations

import itertools
from contextlib import contextmanager

import psycopg
import pytest

from syncpipe.core.collection import Collection
from syncpipe.core.operation import KINDS, Operation
from syncpipe.errors import Refused
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from tests.integration.targets.places import NOW_MS, YOUNG, groups

_ids = itertools.count(1)


class UserTable:
    """A table of a user's, and a target that writes to it."""

    def __init__(self, dsn: str, table: str, **declared) -> None:
        self.dsn = dsn
        self.collection = Collection("things", ("test",), table=table, **declared)
        self.target = PostgresTarget(PostgresOptions("test", dsn), {"things": self.collection})
        self.target.init()

    def apply(self, kind, key, data=None, *, at=YOUNG):
        """Apply one operation with the next version; return its result."""
        number = next(_ids)
        id_ = number.to_bytes(16, "big")
        change = Operation(id_, KINDS[kind], "things", key, at + number, data)
        (result,) = self.target.apply(groups(self.collection, [change]), now_ms=NOW_MS)
        return result

    def row(self, query, *names):
        """The only row of *query*, whose slots *names* fill."""
        query = psycopg.sql.SQL(query).format(*map(psycopg.sql.Identifier, names))
        with psycopg.connect(self.dsn) as connection:
            (row,) = connection.execute(query).fetchall()
            return row


@contextmanager
def refused(table, kind, key, data=None, *, error=Refused, at=YOUNG):
    """Expect an operation to be refused and the row to be as before."""
    with pytest.raises(error) as caught:
        table.apply(kind, key, data, at=at)
    yield caught.value
