"""Every target, with one collection and a way to look at its records from outside."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext

from syncpipe.core.collection import Collection
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.target import MemoryTarget
from tests.integration.targets.http.endpoint import Endpoint
from tests.integration.targets.places import NOW_MS, PLACES, Place, typed


class MemoryPlace(Place):
    """The target in memory, read through its own door."""

    def rows_on(self, _connection, keys):
        """The records of *keys*."""
        documents = {key: self.target.record("notes", key) for key in keys}
        return {key: typed(doc) if doc is not None else None for key, doc in documents.items()}

    def rows(self, keys):
        """The records of *keys*."""
        return self.rows_on(None, keys)

    def locked(self, _key):
        """Nothing: in memory there are no locks to wait for."""
        return nullcontext()

    def another(self):
        """Another target in memory."""
        return MemoryTarget("test", clock=FakeClock(NOW_MS))


@contextmanager
def _in_memory(_server):
    target = MemoryTarget("test", clock=FakeClock(NOW_MS))
    yield MemoryPlace("", Collection("notes", ("test",)), target)


class HttpPlace(MemoryPlace):
    """A target that posts to an endpoint of ours, read through the endpoint's own door."""

    remembers = False

    def __init__(self, endpoint, **options):
        super().__init__("", Collection("notes", ("test",)), endpoint.opened(**options))
        self.endpoint = endpoint

    def rows_on(self, _connection, keys):
        """The records of *keys*."""
        documents = {key: self.endpoint.target.record("notes", key) for key in keys}
        return {key: typed(doc) if doc is not None else None for key, doc in documents.items()}

    def another(self):
        """Another target that posts to the same endpoint."""
        return self.endpoint.opened()


def _over_http(**options):
    @contextmanager
    def opened(_server):
        with Endpoint() as endpoint:
            place = HttpPlace(endpoint, **options)
            yield place
            place.target.close()

    return opened


def _on_postgres(mode):
    @contextmanager
    def opened(server):
        dsn = server.new_database()
        with PLACES[mode](dsn) as place:
            yield place
        server.drop_database(dsn)

    return opened


#: Every target: how to open it, and the fixture of the server it needs.
TARGETS = {
    "memory": (_in_memory, None),
    "http-gzip": (_over_http(), None),
    "http-zstd": (_over_http(compression="zstd"), None),
    "document-pg18": (_on_postgres("document"), "postgres"),
    "table-pg18": (_on_postgres("table"), "postgres"),
    "document-pg16": (_on_postgres("document"), "postgres_16"),
    "table-pg16": (_on_postgres("table"), "postgres_16"),
}
