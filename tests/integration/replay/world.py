"""Replays in one process: a real store and a real target, a broker in memory, steps when told."""

from __future__ import annotations

import random
from contextlib import contextmanager

import psycopg
import structlog

from syncpipe.core.audit import Act
from syncpipe.core.codec import encode
from syncpipe.core.collection import Collection, KeyType, VersionSource
from syncpipe.core.deadletter import DeadLetter, decode_dead
from syncpipe.core.envelope import Header, seal
from syncpipe.core.filter_language import parse
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import DEAD_QUEUE, Lane, Priority, queues_of
from syncpipe.core.version import next_version
from syncpipe.errors import MalformedEnvelope
from syncpipe.ops.promoting import Promoting
from syncpipe.pipeline import BatchLog, Done, Message, Pipeline, WorkerOptions
from syncpipe.replay.replayer import Replayer
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.replays import Declared, Order
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from syncpipe.testing.broker import MemoryBroker

KEY = bytes(range(32))
COLLECTIONS = {
    "orders": Collection("orders", ("crm",)),
    "prices": Collection("prices", ("crm",), version=VersionSource.SOURCE),
    "children": Collection("children", ("crm",), key_types=(KeyType.INT,), table="public.children"),
}
DECLARED = Declared({"crm": frozenset(COLLECTIONS)}, {"prices"})
TABLES = """
    CREATE TABLE public.parents (id bigint PRIMARY KEY);
    CREATE TABLE public.children (id bigint PRIMARY KEY, parent bigint REFERENCES public.parents);
"""
FORGET = """
    DELETE FROM syncpipe.replays; DELETE FROM syncpipe.replay_items;
    DELETE FROM syncpipe.dead_letters; DELETE FROM syncpipe.scheduled;
    DELETE FROM syncpipe.group_members; DELETE FROM syncpipe.group_deaths
"""
FORGET_RECORDS = """
    DELETE FROM public.children; DELETE FROM public.parents;
    DELETE FROM syncpipe.documents; DELETE FROM syncpipe.records
"""
SHARDS = 4
QUEUE = Lane("crm", 0).queue(Priority.NORMAL)


class World:
    """The parts of a process that replays, and hands on them."""

    def __init__(self, store_dsn, target_dsn):
        self.store_dsn = store_dsn
        self.target_dsn = target_dsn
        self._connections = {}
        self.clock = SystemClock()
        self.store = PostgresStore(StoreOptions(store_dsn, pool_max=6), KEY)
        self.broker = MemoryBroker(self.clock)
        self.target = PostgresTarget(PostgresOptions(name="crm", dsn=target_dsn), COLLECTIONS)
        self.pipeline = Pipeline(
            target=self.target,
            collections=COLLECTIONS,
            broker=self.broker,
            clock=self.clock,
            random=SystemRandom(),
            options=WorkerOptions(busy_timeout_s=0.2),
            log=BatchLog(structlog.get_logger(), "crm", "w"),
            schedule=self.store.schedule,
            groups=self.store.groups,
            outcomes=self.store.outcomes,
        )
        self.replayer = self.another()
        self._random = random.Random(5)
        self._version = 0

    def another(self, **options):
        """Another process that replays."""
        known = {
            "replaying": self.store.replaying,
            "outcomes": self.store.outcomes,
            "broker": self.broker,
            "declared": DECLARED,
            "shards": SHARDS,
            "clock": self.clock,
            "random": SystemRandom(),
        }
        return Replayer(**known | options)

    def reset(self):
        """Forget everything but the audit."""
        self.query(FORGET)
        self.query(FORGET_RECORDS, dsn=self.target_dsn)
        for queue in self.broker.queues():
            self.broker.purge(queue)

    def close(self):
        for connection in self._connections.values():
            connection.close()
        self.pipeline.close()
        self.store.close()

    def query(self, query, *parameters, dsn=None):
        dsn = dsn or self.store_dsn
        if dsn not in self._connections:
            self._connections[dsn] = psycopg.connect(dsn, autocommit=True)
        cursor = self._connections[dsn].execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else None

    def operation(self, key="k", kind=Kind.UPSERT, data=None, *, collection="orders", **members):
        """A new operation, newer than all before."""
        now_ms = self.clock.now_ms()
        self._version = next_version(now_ms, self._version)
        if data is None and kind is not Kind.DELETE:
            data = {"n": 1}
        id_ = uuid7(now_ms, self._random.getrandbits(74))
        version = members.pop("version", self._version)
        return Operation(id_, kind, collection, key, version, data, **members)

    def bury(self, *operations, queue=QUEUE, **members):
        """Let the store keep dead letters of *operations*; return their ids."""
        known = {"stage": "apply", "code": "SP-E511", "message": "No.", "worker": "w"}
        now_ms = self.clock.now_ms()
        letters = [
            DeadLetter(
                raw=encode(each),
                queue=queue,
                died_ms=now_ms - 1000,
                operation_id=each.uuid,
                collection=each.collection,
                key=each.key,
                version=each.version,
                **known | members,
            )
            for each in operations
        ]
        self.store.dead_letters.record(letters)
        return [letter.id for letter in letters]

    def bury_raw(self, raw, queue=QUEUE):
        """Let the store keep a message that nobody could read; return its id."""
        now_ms = self.clock.now_ms() - 1000
        letter = DeadLetter(raw, queue, "decode", "SP-E305", "Unreadable.", now_ms, "w")
        self.store.dead_letters.record([letter])
        return letter.id

    def order(self, text="", **options):
        return Order(parse(text, now_ms=self.clock.now_ms()), text, **options)

    def create(self, text="", *, declared=DECLARED, **options):
        """Make a replay of what *text* means."""
        return self.store.replays.create(self.order(text, **options), act("dlq.replay"), declared)

    def step(self, replayer=None):
        """Go on with a replay that is not lent, without waiting until it is due."""
        self.query("UPDATE syncpipe.replays SET due = now() WHERE token IS NULL")
        return (replayer or self.replayer).step()

    def work(self):
        """Bring what waits in the broker to its outcome, dead letters into the store."""
        while deliveries := self.broker.take(queues_of("crm", SHARDS), limit=64):
            messages = [
                Message(each.message.queue, each.message.message_id, each.message.body)
                for each in deliveries
            ]
            report = self.pipeline.run(messages)
            done = [d for d, v in zip(deliveries, report.verdicts, strict=True) if v == Done()]
            self.broker.acknowledge(done)
            later = [each for each in deliveries if each not in done]
            self.broker.restore(later)
            if later:
                break
        self.record()

    def record(self):
        """Bring dead letters from the broker into the store."""
        while deliveries := self.broker.take([DEAD_QUEUE], limit=256):
            self.store.dead_letters.record([self._read(each.message.body) for each in deliveries])
            self.broker.acknowledge(deliveries)

    def _read(self, body):
        try:
            return decode_dead(body)
        except MalformedEnvelope:
            return DeadLetter(body, DEAD_QUEUE, "decode", "SP-E306", "", self.clock.now_ms(), "w")

    def run(self, replay, most=200):
        """Step and work until *replay* does not change any more; return it."""
        for _ in range(most):
            before = self.find(replay)
            self.step()
            self.work()
            after = self.find(replay)
            if before == after and after.state.value not in {"running", "canary"}:
                return after
        return self.find(replay)

    def promote(self):
        """Send on what is in the schedule, as if it were due."""
        self.query("UPDATE syncpipe.scheduled SET due = now()")
        Promoting(
            self.store.schedule,
            self.broker,
            targets=["crm"],
            shards=SHARDS,
            clock=self.clock,
            random=SystemRandom(),
        ).promote()

    def pass_time(self, seconds):
        """Let so much time pass for all replays."""
        self.query(
            "UPDATE syncpipe.replays SET due = due - d, paced = paced - d, moved = moved - d"
            " FROM (SELECT %s * interval '1 s' AS d)",
            seconds,
        )
        self.query("UPDATE syncpipe.replay_items SET sent = sent - %s * interval '1 s'", seconds)

    def find(self, replay):
        return self.store.replays.find(replay.id)

    def states(self):
        """The state of each dead letter, by its id."""
        return dict(self.query("SELECT id::text, state FROM syncpipe.dead_letters"))

    def items(self, replay):
        """What became of each item, in order: outcome and code."""
        query = "SELECT outcome, code FROM syncpipe.replay_items WHERE replay = %s ORDER BY number"
        return self.query(query, replay.id)

    def document(self, key, collection="orders"):
        rows = self.query(
            "SELECT document FROM syncpipe.documents WHERE collection = %s AND key = %s",
            collection,
            key,
            dsn=self.target_dsn,
        )
        return rows[0][0] if rows else None

    def audited(self):
        """The details of the last act."""
        return self.store.audit.latest(limit=1)[0].act

    def apply(self, *operations):
        """Apply *operations* now, as if they had come the ordinary way."""
        by_hand = [Message(QUEUE, "m", _sealed(operations))]
        assert self.pipeline.run(by_hand).verdicts == (Done(),)


def act(verb, reason="because"):
    return Act("ann@test", verb, "", reason)


def _sealed(operations):
    header = Header(bytes(16), Lane("crm", 0), Priority.NORMAL, len(operations), 1)
    return seal(header, [encode(each) for each in operations])


@contextmanager
def world(server):
    """A world on new databases of *server*."""
    dsns = server.new_database(), server.new_database()
    built = World(*dsns)
    built.store.migrate()
    built.query(TABLES, dsn=built.target_dsn)
    built.target.init()
    yield built
    built.close()
    for dsn in dsns:
        server.drop_database(dsn)
