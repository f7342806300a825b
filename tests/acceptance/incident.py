"""A night on call: about a thousand dead letters of three causes, on real servers."""

from __future__ import annotations

import hashlib
import random

import psycopg

from syncpipe.app import Client
from syncpipe.settings import load
from tests.acceptance.fleet import Fleet, until

#: Dead letters of each cause.
NEGATIVE, LONG, TWICE = 500, 300, 200
#: What is in operations, and must be seen nowhere.
CANARY = "canary-4111-1111"

_KEY = hashlib.sha256(b"incident").hexdigest()
_TABLES = """
CREATE TABLE orders (
    id text PRIMARY KEY, status text, total numeric CONSTRAINT total_is_positive CHECK (total > 0),
    note text
);
CREATE TABLE customers (
    id text PRIMARY KEY, name varchar(20), email text CONSTRAINT one_account UNIQUE
);
INSERT INTO customers VALUES ('first', 'First', 'taken@example.org')
"""
_COLLECTIONS = """
table = "public.orders"
[collections.orders.mask]
status = "show"
total = "show"
[collections.customers]
target = "crm"
table = "public.customers"
[collections.customers.mask]
email = "hash"
[store]
dsn = "{store_dsn}"
[audit]
key = "{key}"
[access]
default = "{role}"
"""


class Incident(Fleet):
    """A fleet with two tables, whose constraints refuse a quarter of what is sent."""

    def __init__(self, folder, broker_url, dsn, store_dsn, *, role="operator"):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(_TABLES)
        extra = _COLLECTIONS.format(store_dsn=store_dsn, key=_KEY, role=role)
        super().__init__(folder, broker_url, dsn, extra)
        self.store = self.parts.store()

    def __enter__(self):
        self.store.migrate()
        return super().__enter__()

    def __exit__(self, *exc_info):
        super().__exit__(*exc_info)
        self.store.close()

    def happen(self):
        """Send four thousand operations, and wait until the bad ones are dead letters."""
        orders = [
            ("orders", f"o/{n}", {"status": "paid", "total": total, "note": f"{CANARY} {n}"})
            for n in range(2_000)
            for total in (n + 1 if n % 4 else -n - 1,)
        ]
        customers = [("customers", f"c/{n}", _customer(n)) for n in range(2_000)]
        everything = [*orders, *customers]
        random.Random(7).shuffle(everything)
        with Client(load(self.config, environ={}).settings) as client:
            for collection, key, data in everything:
                client.upsert(collection, key, data)
            assert client.flush() == 0
        until(lambda: self.store.dead_letters.count() == NEGATIVE + LONG + TWICE, "dead letters")

    def mend(self):
        """Take away the constraint that most of them violate."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("ALTER TABLE orders DROP CONSTRAINT total_is_positive")

    def negative(self):
        """How many of the orders that were refused are in their table."""
        with psycopg.connect(self.dsn) as connection:
            return connection.execute("SELECT count(*) FROM orders WHERE total < 0").fetchone()[0]


def _customer(number):
    if number % 20 < 3:
        return {"name": f"{CANARY} {number} of Somewhere", "email": f"{number}@example.org"}
    if number % 20 < 5:
        return {"name": f"Somebody {number}", "email": "taken@example.org"}
    return {"name": f"Somebody {number}", "email": f"{number}@example.org"}
