"""Real worker processes on real servers, and what they should have made."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import psycopg

from syncpipe import app as wiring
from syncpipe.core.codec import encode
from syncpipe.core.deadletter import decode_dead
from syncpipe.core.envelope import Header, seal
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.reference import fold
from syncpipe.core.routing import DEAD_QUEUE, Lane, Priority, queues_of, shard_of
from syncpipe.core.version import next_version
from syncpipe.settings import load
from syncpipe.transport.broker import Outbound
from tests.patience import eventually

ROOT = Path(__file__).parents[2]
#: Every queue that a test sends to; asked together, so that nothing is missed on its way.
LANES = [queue for target in ("crm", "erp") for queue in queues_of(target, 9)]
#: Longest wait for anything; reached only when something is broken.
PATIENCE_S = 120


def until(condition, what, *, within_s=PATIENCE_S):
    """Wait until *condition* returns something true, and return that."""
    return eventually(condition, within_s=within_s, what=what)


class Fleet:
    """Workers of one configuration."""

    def __init__(self, folder, broker_url, dsn, extra="", *, guard="", management_url="auto"):
        self.folder = folder
        self.dsn = dsn
        self.config = folder / "syncpipe.toml"
        self.config.write_text(
            f"""
            shards = 4
            [broker]
            url = "{broker_url}"
            management_url = "{management_url}"
            [targets.crm]
            type = "postgres"
            dsn = "{dsn}"
            {guard}
            [collections.orders]
            target = "crm"
            {extra}
            """
        )
        self.parts = wiring.build(load(self.config, environ={}).settings)
        self.broker = self.parts.broker()
        self.target = self.parts.target("crm")
        self.workers = []
        self.sent = defaultdict(list)
        self._random = random.Random(11)
        self._version = 0

    def __enter__(self):
        self.target.init()
        self.declare()
        return self

    def __exit__(self, *_):
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()
        self.target.close()
        self.broker.close()

    def declare(self, shards=4):
        """Make the queues, where they do not come by themselves."""
        self.broker.declare([*queues_of("crm", shards), DEAD_QUEUE])

    def start(self, *arguments, ready=True):
        """Start a worker, and wait until it consumes unless told otherwise."""
        number = len(self.workers)
        paths = (self.folder / f"{number}.log", self.folder / f"{number}.err")
        with paths[0].open("wb") as out, paths[1].open("wb") as err:
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "workers", "--name", f"w{number}"),
                    *("--config", str(self.config), *arguments),
                ],
                cwd=ROOT,
                stdout=out,
                stderr=err,
            )
        self.workers.append(worker)
        if ready:
            until(lambda: "worker-ready" in self.events(number), "a worker that is ready")
        return worker

    def lines(self, number=0):
        """The log of a worker, without a line that is being written."""
        text = (self.folder / f"{number}.log").read_text()
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def events(self, number=0):
        """How often each event stands in the log of a worker."""
        return Counter(line["event"] for line in self.lines(number))

    def complaints(self, number=0):
        """What a worker wrote to stderr."""
        return (self.folder / f"{number}.err").read_text()

    def operations(self, count, keys=40):
        """Operations of every kind; some are old, some come twice."""
        for _ in range(count):
            now_ms = self.parts.clock.now_ms()
            self._version = next_version(now_ms, self._version)
            key = f"k{self._random.randrange(keys)}"
            kind = self._random.choice(list(Kind))
            data = {
                Kind.UPSERT: {"a": self._random.randrange(100), "n": 1},
                Kind.PATCH: {self._random.choice("abc"): self._random.randrange(100)},
                Kind.INCREMENT: {"n": self._random.randrange(1, 9)},
                Kind.DELETE: None,
            }[kind]
            id_ = uuid7(now_ms, self._random.getrandbits(74))
            yield Operation(id_, kind, "orders", key, self._version, data)

    def records(self, number):
        """One new record for every lane; *number* tells them from each other."""
        for shard in range(4):
            keys = (f"{number}-{attempt}" for attempt in itertools.count())
            key = next(key for key in keys if shard_of("orders", key, 4) == shard)
            self._version = next_version(self.parts.clock.now_ms(), self._version)
            id_ = uuid7(self.parts.clock.now_ms(), self._random.getrandbits(74))
            each = Operation(id_, Kind.UPSERT, "orders", key, self._version, {"shard": shard})
            self.sent[key].append(each)
            yield self.outbound(Lane("crm", shard), Priority.NORMAL, [encode(each)])

    def send(self, count, *, per_envelope=10, shards=4):
        """Send that many operations, shuffled, a tenth of them twice; return the number sent."""
        operations = list(self.operations(count))
        for each in operations:
            self.sent[each.key].append(each)
        operations += self._random.sample(operations, count // 10)
        self._random.shuffle(operations)
        lanes = defaultdict(list)
        for each in operations:
            lane = Lane("crm", shard_of("orders", each.key, shards))
            lanes[lane, self._random.choice(list(Priority))].append(encode(each))
        outbound = [
            self.outbound(lane, priority, members[at : at + per_envelope])
            for (lane, priority), members in lanes.items()
            for at in range(0, len(members), per_envelope)
        ]
        self._random.shuffle(outbound)
        assert set(self.broker.publish(outbound, timeout_s=60)) == {None}
        return len(operations)

    def outbound(self, lane, priority, members, *, task="syncpipe.apply"):
        """An envelope on its way."""
        header = Header(
            self._random.randbytes(16), lane, priority, len(members), self.parts.clock.now_ms()
        )
        queue = lane.queue(priority)
        return Outbound(queue, seal(header, members), header.id.hex(), task)

    def pending(self):
        """How many messages wait or are being worked on."""
        depths = self.broker.depths(LANES).values()
        return sum(depth.ready + depth.unacked for depth in depths)

    def busy(self):
        """Whether a worker says that it is applying a batch."""
        return any(worker.counters["running"] for worker in self.broker.workers())

    def owned(self):
        """How many lanes each worker says that it has."""
        return sorted(worker.counters["lanes"] for worker in self.broker.workers())

    def arrive(self):
        """Wait until the rows are what everything sent so far makes."""
        until(lambda: self.rows() == self.expected(), "the rows")

    def settle(self):
        """Wait until nothing is pending."""
        until(lambda: not self.pending(), "empty lanes")

    def dead(self):
        """The dead letters."""
        return [decode_dead(body) for body in self.broker.peek(DEAD_QUEUE, limit=1000)]

    def expected(self):
        """The documents that everything sent so far makes."""
        documents = {key: fold(operations) for key, operations in self.sent.items()}
        return {key: document for key, document in documents.items() if document is not None}

    def rows(self):
        """The documents in the database."""
        query = "SELECT key, document FROM syncpipe.documents WHERE document IS NOT NULL"
        with psycopg.connect(self.dsn) as connection:
            return dict(connection.execute(query).fetchall())

    def applied(self, number=0):
        """How many operations a worker has brought to an outcome."""
        return sum(line["operations"] for line in self.lines(number) if line["event"] == "batch")


def end(worker, how=signal.SIGTERM):
    """Send a signal and return the exit status."""
    os.kill(worker.pid, how)
    return worker.wait(PATIENCE_S)


class StoredFleet(Fleet):
    """A fleet with a store."""

    def __init__(self, folder, broker_url, dsn, extra, **options):
        super().__init__(folder, broker_url, dsn, extra, **options)
        self.store = self.parts.store()

    def __enter__(self):
        self.store.migrate()
        return super().__enter__()

    def __exit__(self, *exc_info):
        super().__exit__(*exc_info)
        self.store.close()
