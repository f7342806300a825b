"""A store on each release of PostgreSQL."""

from __future__ import annotations

import pytest

from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore


@pytest.fixture
def store(every_dsn):
    """A store whose tables are not made yet."""
    opened = PostgresStore(StoreOptions(every_dsn))
    yield opened
    opened.close()
