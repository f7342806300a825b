"""Services that `syncpipe up --keep` left running, and the commands that work on them."""

from __future__ import annotations

import json
from uuid import uuid4

import psycopg
from psycopg import sql

from syncpipe.embedded import find
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from syncpipe.transport.broker import Outbound
from tests.acceptance.processes import run
from tests.patience import eventually

#: An override that names a broker which is not there.
AWAY = "broker.url=redis+socket:///nowhere.sock"


class Kept:
    """A directory with services that run on."""

    def __init__(self, directory):
        self.directory = directory

    def __call__(self, *arguments, status=0, **others):
        """Run a command there and return its output; it has to end with *status*."""
        done = run(*arguments, cwd=self.directory, **others)
        assert done.returncode == status, done.stderr + done.stdout
        return done

    @property
    def services(self):
        return find(self.directory / ".syncpipe")

    def document(self, key, collection="orders"):
        """Return the document of a record, None if there is none."""
        query = sql.SQL("SELECT document FROM {} WHERE collection = %s AND key = %s")
        table = sql.Identifier("syncpipe", "documents")
        with psycopg.connect(self.services.dsn) as connection:
            row = connection.execute(query.format(table), (collection, key)).fetchone()
        return row and row[0]

    def publish(self, queue, count):
        """Put something into a queue that no worker takes from."""
        with open_broker(self.services.redis_url, clock=SystemClock()) as broker:
            messages = [Outbound(queue, b"x", str(uuid4()), "t") for _ in range(count)]
            assert broker.publish(messages, timeout_s=60) == [None] * count

    def drain(self):
        """Wait until all lanes are empty."""
        eventually(lambda: json.loads(self("status", "-o", "json").stdout)["depth"] == 0)
