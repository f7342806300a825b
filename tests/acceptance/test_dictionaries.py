"""Dictionaries as somebody learns, ships, uses, loses and restores them, with real processes."""

from __future__ import annotations

import json

import pytest

from syncpipe.app import Client
from syncpipe.settings import load
from tests.acceptance.fleet import LANES, StoredFleet, end, until
from tests.acceptance.processes import run

RECORDS = 400
TOP = 'dictionaries = "{folder}/dictionaries"\n'
EXTRA = '[store]\ndsn = "{dsn}"\n[audit]\nkey = "{key}"\n'
IN_COLLECTION = "[collections.orders]\n"


def document(number):
    states = ("paid", "shipped", "returned")
    customer = {"name": f"customer {number % 7}", "country": "AT", "newsletter": number % 2 == 0}
    return {"state": states[number % 3], "total": number, "currency": "EUR", "customer": customer}


class Shop(StoredFleet):
    """A fleet whose clients send few orders at a time."""

    def __init__(self, folder, broker_url, dsn, **options):
        extra = EXTRA.format(dsn=dsn, key=bytes(range(32)).hex())
        super().__init__(folder, broker_url, dsn, extra, **options)
        self.config.write_text(TOP.format(folder=folder) + self.config.read_text())
        self.documents = {}

    def run(self, *arguments):
        """The result of a command that must succeed."""
        done = run(*arguments, "--config", self.config, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def train(self):
        """Learn from orders; return the dictionary's name and file."""
        samples = self.folder / "orders.jsonl"
        records = ({"id": f"old-{number}", **document(number)} for number in range(RECORDS))
        samples.write_text("".join(json.dumps(record) + "\n" for record in records))
        shown = self.run("dictionary", "train", "orders", "--from", samples, "-o", "json")
        name = json.loads(shown)[0]["dictionary"]
        return name, self.folder / "dictionaries" / f"{name}.zdict"

    def use(self, name):
        chosen = f'{IN_COLLECTION}dictionary = "{name}"\n'
        self.config.write_text(self.config.read_text().replace(IN_COLLECTION, chosen))

    def client(self):
        return Client(load(self.config, environ={}).settings)

    def order(self, client, numbers):
        """Send orders, each in an envelope of its own."""
        for number in numbers:
            self.documents[f"o-{number}"] = document(number)
            client.upsert("orders", f"o-{number}", document(number))
            assert client.flush() == 0

    def waiting_bytes(self):
        bodies = [body for lane in LANES for body in self.broker.peek(lane, limit=1000)]
        return sum(map(len, bodies)) / len(bodies)

    def arrive(self):
        until(lambda: self.rows() == self.documents, "the rows")


@pytest.fixture
def shop(tmp_path, redis_url, dsn):
    with Shop(tmp_path, redis_url, dsn) as built:
        yield built


def test_a_dictionary_is_learned_used_lost_and_restored(shop):
    with shop.client() as client:
        shop.order(client, range(10))
    plain = shop.waiting_bytes()
    name, path = shop.train()
    shop.use(name)
    assert '"ready"' in shop.run("dictionary", "list", "-o", "json")
    with shop.client() as client:
        shop.order(client, range(10, 110))
        assert shop.waiting_bytes() < plain * 0.75
        shop.start()
        shop.arrive()

        end(shop.workers[0])
        content = path.read_bytes()
        path.unlink()
        shop.start()
        assert "orders has no dictionary here" in (shop.folder / "1.log").read_text()
        applied = dict(shop.documents)
        shop.order(client, range(200, 205))
    until(lambda: shop.store.dead_letters.count() == 5, "dead letters")
    assert shop.rows() == applied
    letters = json.loads(shop.run("dlq", "list", "-o", "json"))
    assert {letter["code"] for letter in letters} == {"SP-E307"}

    path.write_bytes(content)
    shop.run("dlq", "replay", "--where", "code:SP-E307", "--reason", "it is back", "--yes")
    shop.arrive()
    shop.settle()
    assert not shop.dead()
