from __future__ import annotations

import random

import psycopg
import pytest
import structlog

from syncpipe.core.codec import encode
from syncpipe.core.collection import Collection, KeyType
from syncpipe.core.deadletter import decode_dead
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.pipeline import BatchLog, Done, Later, Pipeline, WorkerOptions
from syncpipe.resilience.classification import ErrorClass
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from tests.patience import eventually
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_search import bound

COLLECTIONS = {
    name: Collection(name, ("crm",), key_types=(KeyType.INT,), table=f"public.{name}")
    for name in ("customers", "orders")
}
SCHEMA = """
    CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE orders (
        id bigint PRIMARY KEY,
        customer bigint REFERENCES customers,
        total int CONSTRAINT positive CHECK (total > 0)
    );
"""


class Bench:
    """A pipeline to a real database."""

    def __init__(self, dsn, **options):
        self.dsn = dsn
        clock = SystemClock()
        self.broker = MemoryBroker(FakeClock())
        options = PostgresOptions(name="crm", dsn=dsn, **options)
        self.target = PostgresTarget(options, COLLECTIONS)
        self.pipeline = Pipeline(
            target=self.target,
            collections=COLLECTIONS,
            broker=self.broker,
            clock=clock,
            random=SystemRandom(),
            options=WorkerOptions(busy_timeout_s=0.2),
            log=BatchLog(structlog.get_logger(), "crm", "w"),
        )

    def run(self, *operations, attempts=0):
        return self.pipeline.run([message(*operations, attempts=attempts)])

    def query(self, query):
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else None

    def dead(self):
        return [decode_dead(body) for body in self.broker.peek(DEAD_QUEUE, limit=1000)]


@pytest.fixture
def bench(dsn):
    bench = Bench(dsn)
    bench.query(SCHEMA)
    bench.target.init()
    yield bench
    bench.pipeline.close()


def order(key, **data):
    return operation(str(key), collection="orders", data=data)


def test_one_order_that_breaks_a_constraint_harms_only_itself(bench):
    orders = [order(i, total=-1 if i == 333 else 1) for i in range(1000)]
    report = bench.run(*orders)
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.APPLIED: 999, Outcome.DEAD: 1}
    (letter,) = bench.dead()
    assert (letter.key, letter.code, letter.constraint) == ("333", "SP-E511", "positive")
    assert bench.query("SELECT count(*) FROM orders") == [(999,)]


def test_a_child_waits_for_its_parent(bench):
    child = order(1, customer=7, total=1)
    report = bench.run(child)
    assert isinstance(report.verdicts[0], Later)
    assert report.verdicts[0].counted
    bench.run(operation("7", collection="customers", data={"name": "Ada"}))
    assert bench.run(child, attempts=1).verdicts == (Done(),)
    assert bench.query("SELECT customer FROM orders") == [(7,)]
    assert bench.dead() == []


def test_a_patch_before_its_upsert_waits_for_the_missing_column(bench):
    patch = operation("7", Kind.PATCH, {"name": None}, collection="customers", version=1)
    assert isinstance(bench.run(patch).verdicts[0], Later)
    assert bench.run(patch, attempts=19).verdicts == (Done(),)
    assert [letter.code for letter in bench.dead()] == ["SP-E510"]


def test_of_a_refused_record_only_the_culprit_is_refused(bench):
    good, bad, last = (
        operation("1", Kind.PATCH, {"total": total}, collection="orders", version=version)
        for version, total in enumerate((5, -5, 6))
    )
    assert bench.run(good, bad, last).verdicts == (Done(),)
    assert bench.run(operation("1", Kind.PATCH, {"total": -1}, collection="orders", version=9))
    assert bench.query("SELECT total FROM orders") == [(6,)]


def test_a_locked_record_harms_only_itself(bench):
    bench.run(*(order(i, total=1) for i in range(20)))
    bench.target.close()
    bench = Bench(bench.dsn, lock_timeout_s=0.05)
    with psycopg.connect(bench.dsn) as other:
        other.execute("SELECT FROM orders WHERE id = 7 FOR UPDATE")
        later = [
            operation(str(i), collection="orders", data={"total": 2}, version=5) for i in range(20)
        ]
        report = bench.pipeline.run([message(each) for each in later])
        waiting = [i for i, each in enumerate(report.verdicts) if isinstance(each, Later)]
        assert waiting == [7]
    bench.pipeline.close()


def test_a_dropped_table_is_no_bad_record(bench):
    bench.run(order(1, total=1))
    bench.query("ALTER TABLE orders RENAME TO away")
    report = bench.run(order(2, total=1))
    assert report.outage.code == "SP-E503"
    bench.query("ALTER TABLE away RENAME TO orders")
    assert bench.run(order(2, total=1)).verdicts == (Done(),)
    assert bench.dead() == []


def test_a_server_that_is_not_there_is_an_outage(tmp_path):
    bench = Bench(f"host={tmp_path} dbname=nobody")
    report = bench.run(order(1, total=1))
    assert isinstance(report.verdicts[0], Later)
    assert report.outage.code == "SP-E501"
    bench.pipeline.close()


class Counting:
    """Counts how often a target is asked to apply something; a pass is one transaction."""

    def __init__(self, target):
        self.calls = 0
        for name in ("apply", "apply_each"):
            setattr(target, name, self._counted(getattr(target, name)))

    def _counted(self, call):
        def counted(*args, **options):
            self.calls += 1
            return call(*args, **options)

        return counted


@pytest.mark.parametrize("refusal", ["check", "unique", "type"])
def test_one_percent_is_refused_with_its_own_error_in_few_transactions(bench, refusal):
    bench.query("ALTER TABLE orders ADD COLUMN code int UNIQUE")
    bench.run(order(5000, total=1, code=0))
    bad = random.Random(8).sample(range(2000), 20)
    faults = {"check": {"total": -1}, "unique": {"code": 0}, "type": {"total": 2**40}}
    states = {"check": "23514", "unique": "23505", "type": "22003"}
    orders = [
        order(i, **({"total": 1} | (faults[refusal] if i in bad else {}))) for i in range(2000)
    ]
    counting = Counting(bench.target)
    report = bench.run(*orders)
    assert report.counts == {Outcome.APPLIED: 1980, Outcome.DEAD: 20}
    letters = {int(letter.key): letter for letter in bench.dead()}
    assert letters.keys() == set(bad)
    assert {letter.sqlstate for letter in letters.values()} == {states[refusal]}
    assert all(letters[i].raw == encode(orders[i]) for i in bad)
    assert counting.calls <= bound(2000, 20)


def test_a_constraint_that_all_violate_pauses_the_collection_and_no_other(bench):
    bench.query("ALTER TABLE orders ADD CONSTRAINT mistaken CHECK (total < 0) NOT VALID")
    customers = [operation(str(i), collection="customers", data={"name": "Ada"}) for i in range(40)]
    report = bench.pipeline.run(
        [message(*(order(i, total=1) for i in range(60))), message(*customers)]
    )
    assert report.counts == {Outcome.RETRYING: 60, Outcome.APPLIED: 40}
    assert bench.dead() == []
    bench.query("ALTER TABLE orders DROP CONSTRAINT mistaken")

    def taken():
        report = bench.run(*(order(i, total=1) for i in range(60)))
        return report.verdicts == (Done(),)

    eventually(taken)
    assert bench.query("SELECT count(*) FROM orders") == [(60,)]
    assert bench.dead() == []


def test_a_slow_operation_harms_only_itself(bench):
    bench.query(
        # Its statement is ended as by its timeout, and never because the machine is slow.
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(600) WHERE new.total = 7;"
        " RETURN new; END$$"
    )
    bench.query(
        "CREATE TRIGGER dawdle BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION dawdle()"
    )
    orders = [order(i, total=7 if i == 33 else 1) for i in range(100)]
    report = bench.pipeline.run([message(each) for each in orders])
    waiting = [i for i, each in enumerate(report.verdicts) if isinstance(each, Later)]
    assert waiting == [33]
    assert report.verdicts[33].counted
    last = bench.run(orders[33], attempts=WorkerOptions().refused_attempts - 1)
    assert last.verdicts == (Done(),)
    assert [(letter.key, letter.code) for letter in bench.dead()] == [("33", "SP-E515")]
    assert bench.query("SELECT count(*) FROM orders") == [(99,)]


@pytest.mark.parametrize(
    ("code", "meaning", "left"),
    [
        ("53200", "refused-temporary", {Outcome.APPLIED: 39, Outcome.RETRYING: 1}),
        ("08001", "misconfigured", {Outcome.APPLIED: 39, Outcome.RETRYING: 1}),
        ("57P01", "refused-permanent", {Outcome.APPLIED: 39, Outcome.DEAD: 1}),
    ],
)
def test_what_looks_like_an_outage_harms_only_itself_where_it_is_said_what_it_means(
    dsn, code, meaning, left
):
    bench = Bench(dsn, classify={code: ErrorClass(meaning)})
    bench.query(SCHEMA)
    bench.query(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$; "
        "CREATE TRIGGER fail BEFORE INSERT ON orders FOR EACH ROW WHEN (NEW.total = 13) "
        "EXECUTE FUNCTION fail()"
    )
    bench.target.init()
    report = bench.run(*(order(number, total=number) for number in range(1, 41)))
    assert (report.outage, report.counts) == (None, left)
    bench.pipeline.close()
