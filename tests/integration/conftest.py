"""A store with an audit, which the tests of one module share."""

from __future__ import annotations

from contextlib import closing

import pytest

from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from tests.stores import AUDIT_KEY, emptied


@pytest.fixture(scope="module")
def opened_store(module_dsn):
    with closing(PostgresStore(StoreOptions(module_dsn), AUDIT_KEY)) as store:
        store.migrate()
        yield store


@pytest.fixture
def store(opened_store, module_dsn):
    """The store, empty."""
    emptied(module_dsn)
    return opened_store


@pytest.fixture
def acts(store):
    """What the audit has got during the test, the oldest first."""
    before = store.audit.head().number
    return lambda: [record.act for record in store.audit.records() if record.number > before]
