"""The incident of the README: about 1,000 dead letters of three causes, on the real stack."""

from __future__ import annotations

import difflib
import re
import subprocess
import uuid

import psycopg

from syncpipe.app import Client
from syncpipe.core.filter_language import parse
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.core.version import next_version
from tests.acceptance.fleet import StoredFleet, until

#: What a customer's order must be, and the three ways in which they break it.
TABLES = """
CREATE TABLE customers (id text PRIMARY KEY);
CREATE TABLE orders (
    id text PRIMARY KEY,
    customer text REFERENCES customers,
    total numeric CONSTRAINT total_not_negative CHECK (total >= 0),
    note varchar(20)
);
INSERT INTO customers VALUES ('c-1');
"""
#: What must be seen nowhere: everything but `total` is masked.
CANARY = "canary-7f3a"
GOOD = {"customer": "c-1", "total": 1990, "note": CANARY}
#: What the orders with a long note were before.
BEFORE = {"customer": "c-1", "total": 1500, "note": ""}
#: How many orders of each kind, and what is wrong with them.
WRONG = {
    "long": (400, {"note": f"{CANARY}, leave it with the neighbours"}),
    "negative": (350, {"total": -1990}),
    "orphan": (250, {"customer": "c-9"}),
}
#: How many of those with a long note were written anew since, and well.
NEWER = 50
WELL = 2_000
COLLECTION = """
table = "public.orders"
mask = { total = "show" }
[store]
dsn = "%s"
[audit]
key = "%s"
"""
GUARD = 'classify = { "23503" = "refused-permanent" }'


class Incident(StoredFleet):
    """A shop whose orders break their table."""

    def __init__(self, folder, broker_url, dsn):
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLES)
        extra = COLLECTION % (dsn, bytes(range(32)).hex())
        super().__init__(folder, broker_url, dsn, extra, guard=GUARD)

    def happen(self):
        """Send all orders, the wrong ones among the others, and wait for the dead letters."""
        orders = [
            (f"{word}-{n}", GOOD | wrong)
            for word, (count, wrong) in WRONG.items()
            for n in range(count)
        ]
        orders += [(f"well-{n}", GOOD) for n in range(WELL)]
        orders.sort(key=lambda order: order[0][::-1])
        before = [(key, BEFORE) for key, _ in orders if key.startswith("long")]
        with Client(self.parts.settings) as client:
            for key, data in (*before, *orders):
                self._send(client, key, data)
        until(lambda: self.store.dead_letters.count() == 1_000, "1,000 dead letters")
        until(lambda: not self.broker.depths([DEAD_QUEUE])[DEAD_QUEUE].ready, "none in the broker")
        with Client(self.parts.settings) as client:
            for number in range(NEWER):
                self._send(client, f"long-{number}", GOOD)
        self.settle()

    def one(self, where):
        """The id of a dead letter that fits a filter."""
        return self.store.triage.entries(parse(where, now_ms=0), limit=1)[0].id

    def _send(self, client, key, data):
        """Send an order with an id that is always the same."""
        self._version = next_version(self.parts.clock.now_ms(), self._version)
        id_ = uuid.uuid5(uuid.NAMESPACE_OID, f"{key} {data}")
        id_ = uuid.UUID(int=id_.int & ~(0xF << 76) | 7 << 76)
        client.upsert("orders", key, data, id=id_, version=self._version)


def transcript(commands, incident, environment):
    """What a terminal shows of *commands*."""
    shown = []
    for command in commands:
        shown.append(f"$ {command}")
        if command.startswith("psql crm -c "):
            (statement,) = re.findall(r"'(.*)'", command)
            with psycopg.connect(incident.dsn) as connection:
                shown.append(connection.execute(statement).statusmessage)
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=incident.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        shown += [line.rstrip() for line in done.stdout.splitlines()]
    return shown


#: What differs from one run to the next, and what stands for it.
VARYING = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\b20\d\d-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\b[\w.-]+@[\w.-]+", "WHO"),
    (r"\b\d+(\.\d+)?(s|m|h|d|ms)\b", "AGE"),
    (r" after \d+ ms", ""),
    (r"[▁▂▃▄▅▆▇█]{24}", "BARS"),
    (r"\b\d{15,}\b", "VERSION"),
    (r"[0-9a-f]{64}", "MAC"),
    (r"  +", " "),
)


def plain(line):
    """A line without what differs from one run to the next."""
    for pattern, word in VARYING:
        line = re.sub(pattern, word, line)
    return line.strip()


def differences(written, shown):
    """How *shown* differs from what is *written*, in which a line of … stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(plain(line)) + r"\n" for line in written
    )
    text = "".join(plain(line) + "\n" for line in shown)
    if re.fullmatch(pattern, text):
        return ""
    return "\n".join(
        difflib.unified_diff(list(map(plain, written)), text.splitlines(), lineterm="")
    )
