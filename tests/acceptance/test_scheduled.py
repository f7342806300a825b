"""What is to be tried later: into the store's schedule and back to its lane, by real workers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from syncpipe import app as wiring
from syncpipe.core.version import milliseconds
from syncpipe.embedded import postgres as embedded
from syncpipe.supervisor import Supervisor
from tests.acceptance.fleet import PATIENCE_S, ROOT, until
from tests.acceptance.test_dead_letters import Graveyard
from tests.servers import short_directory

FAMILIES = """
    [collections.parents]
    target = "crm"
    table = "public.parents"
    key_types = ["int"]
    [collections.children]
    target = "crm"
    table = "public.children"
    key_types = ["int"]
"""
TABLES = """
    CREATE TABLE public.parents (id bigint PRIMARY KEY, name text);
    CREATE TABLE public.children (id bigint PRIMARY KEY, parent bigint REFERENCES public.parents);
"""
#: A worker that leaves what is due to others.
NEVER_PROMOTES = """
import sys
from workers import steps
from workers.__main__ import main
steps._promotions = lambda station: []
main(sys.argv[1:])
"""
#: A worker that dies when what it promotes is in the broker and still in the schedule.
DIES_BEFORE_IT_REMOVES = """
import os, signal, sys
from syncpipe.store.postgres.schedule import PostgresSchedule
from workers.__main__ import main
PostgresSchedule.remove = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""
#: Seconds for which the store is away.
OUTAGE_S = 10


class Timetable(Graveyard):
    """A fleet with a store and a client."""

    def __enter__(self):
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(TABLES)
        super().__enter__()
        self.client = wiring.Client(self.parts.settings)
        return self

    def __exit__(self, *exc_info):
        self.client.close()
        super().__exit__(*exc_info)

    def scheduled(self):
        """How many operations are in the schedule."""
        return sum(each.count for each in self.store.schedule.outlook().values())

    def query(self, query, *parameters, dsn=None):
        with psycopg.connect(dsn or self.dsn, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def tries(self):
        """How often each of those that are scheduled was tried, the least first."""
        rows = self.query("SELECT tries FROM syncpipe.scheduled ORDER BY 1", dsn=self.store_dsn)
        return [tries for (tries,) in rows]

    def document(self, key):
        """A document of the collection ``orders``, and the target's clock when it was seen."""
        ((document, now_ms),) = self.query(
            "SELECT (SELECT document FROM syncpipe.documents WHERE key = %s),"
            " (extract(epoch FROM clock_timestamp()) * 1000)::bigint",
            key,
        )
        return document, now_ms

    def counted(self, outcome):
        """How many operations the workers say have ended so."""
        return sum(worker.counters[outcome] for worker in self.broker.workers())

    def hurry(self):
        """Let everything in the schedule be due, and nothing lent."""
        query = "UPDATE syncpipe.scheduled SET due = now() RETURNING due"
        return self.query(query, dsn=self.store_dsn)

    def run(self, code):
        """Start a worker that differs in something; the caller waits for it."""
        argv = (sys.executable, "-c", code, "--name", "special", "--config", str(self.config))
        worker = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL)
        self.workers.append(worker)
        return worker

    def buried(self):
        """How many dead letters there are anywhere."""
        return self.store.dead_letters.count() + self.left()


@pytest.fixture(params=["redis", "rabbitmq"])
def place(request, tmp_path, dsn):
    """Builds a fleet with a store."""
    url, options = request.getfixturevalue(f"{request.param}_url"), {}
    if request.param == "rabbitmq":
        options["management_url"] = request.getfixturevalue("rabbitmq").management_url
    return lambda store_dsn: Timetable(tmp_path, url, dsn, store_dsn, extra=FAMILIES, **options)


@pytest.fixture
def fleet(place, postgres):
    store_dsn = postgres.new_database()
    with place(store_dsn) as fleet:
        yield fleet
    postgres.drop_database(store_dsn)


def test_a_delayed_operation_is_applied_when_it_is_due_and_not_before(fleet):
    fleet.start()
    receipt = fleet.client.upsert("orders", "later", {"n": 1}, delay=4)
    at_once = fleet.client.upsert("orders", "now", {"n": 2})
    fleet.client.flush()
    until(lambda: fleet.document("now")[0], "what is not delayed")
    document, now_ms = until(lambda: (seen := fleet.document("later"))[0] and seen, "the delayed")
    assert document == {"n": 1}
    assert now_ms >= milliseconds(receipt.version)
    assert receipt.version > at_once.version
    until(lambda: not fleet.scheduled(), "an empty schedule")


def test_what_expires_before_it_is_due_at_its_target_is_not_applied(fleet):
    fleet.client.upsert("orders", "late", {"n": 1}, expires_in=0.001)
    fleet.client.flush()
    fleet.start()
    fleet.client.upsert("orders", "next", {"n": 1})
    fleet.client.flush()
    until(lambda: fleet.document("next")[0], "what does not expire")
    until(lambda: fleet.counted("expired") == 1, "an expired operation")
    assert fleet.document("late")[0] is None
    assert (fleet.buried(), fleet.scheduled()) == (0, 0)


def test_children_wait_for_parents_that_come_seconds_later(fleet):
    fleet.start()
    for child in range(20):
        fleet.client.upsert("children", child, {"parent": child % 3})
    fleet.client.upsert("orders", "other", {"n": 1})
    fleet.client.flush()
    until(lambda: fleet.document("other")[0], "what needs no parent")
    # Three attempts at each take about five seconds.
    until(lambda: (tries := fleet.tries()) and len(tries) == 20 and tries[0] >= 3, "attempts")
    for parent in range(3):
        fleet.client.upsert("parents", parent, {"name": "Ada"})
    fleet.client.flush()
    until(lambda: fleet.query("SELECT count(*) FROM public.children") == [(20,)], "all children")
    until(lambda: not fleet.scheduled(), "an empty schedule")
    assert fleet.buried() == 0


def test_workers_killed_between_publishing_and_removing_change_nothing(fleet):
    for child in range(20):
        fleet.client.upsert("children", child, {"parent": child % 3})
    fleet.client.flush()
    end(fleet.run(NEVER_PROMOTES), "twenty in the schedule", lambda: fleet.scheduled() == 20)
    fleet.query("INSERT INTO public.parents SELECT n FROM generate_series(0, 2) AS n RETURNING id")
    for _ in range(2):
        fleet.hurry()
        assert fleet.run(DIES_BEFORE_IT_REMOVES).wait(PATIENCE_S) == -signal.SIGKILL
        assert fleet.scheduled() == 20
    fleet.hurry()
    fleet.start()
    until(lambda: not fleet.scheduled() and not fleet.pending(), "nothing that waits")
    assert fleet.query("SELECT count(*) FROM public.children") == [(20,)]
    assert fleet.buried() == 0


def end(worker, what, condition):
    """Kill *worker* once *condition* holds."""
    until(condition, what)
    worker.kill()
    worker.wait()


def test_many_that_are_due_at_once_are_applied_once_each_by_several_workers(fleet):
    for _ in range(3):
        fleet.start()
    count = 6_000
    for number in range(count):
        fleet.client.increment("orders", f"k{number % 600}", {"n": 1}, delay=10)
    fleet.client.flush()
    sums = "SELECT sum((document ->> 'n')::int)::int FROM syncpipe.documents"
    until(lambda: fleet.query(sums) == [(count,)], "every increment")
    until(lambda: not fleet.scheduled() and not fleet.pending(), "nothing that waits")
    assert fleet.query(sums) == [(count,)]
    assert fleet.buried() == 0


@pytest.fixture
def store_server():
    """A PostgreSQL that can be stopped: opens and closes it, and knows its address."""
    with short_directory() as root:
        server = embedded.prepare(root / "data", root / "run", major=18, durable=False)

        @contextmanager
        def running():
            with Supervisor() as supervisor:
                supervisor.start(server.command(log=root / "log", durable=False))
                yield

        running.dsn = server.dsn
        yield running


def test_while_the_store_is_stopped_others_go_on_and_the_scheduled_continue_afterwards(
    place, store_server
):
    with ExitStack() as stack:
        with store_server():
            fleet = stack.enter_context(place(store_server.dsn))
            fleet.start()
            fleet.client.upsert("orders", "before", {"n": 1}, delay=3600)
            fleet.client.flush()
            until(lambda: fleet.scheduled() == 1, "a schedule that works")
        fleet.client.upsert("children", 1, {"parent": 7})
        fleet.client.upsert("orders", "delayed", {"n": 1}, delay=2)
        fleet.client.flush()
        others_go_on(fleet, OUTAGE_S)
        assert fleet.pending() >= 1
        assert fleet.events()["store-away"] == 1
        stack.enter_context(store_server())
        fleet.store.close()
        fleet.store = fleet.parts.store()
        until(lambda: fleet.document("delayed")[0], "the delayed")
        until(lambda: fleet.tries()[-1] > 0, "the child in the schedule")
        fleet.query("INSERT INTO public.parents VALUES (7) RETURNING id")
        until(lambda: fleet.query("SELECT id FROM public.children"), "the child")
        until(lambda: fleet.scheduled() == 1, "only the one that is due in an hour")
        assert fleet.left() == 0


def others_go_on(fleet, seconds):
    """Send one operation after the other, each when the one before is applied, for so long."""
    until_s = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until_s or number < 5:
        number += 1
        fleet.client.upsert("orders", f"other-{number}", {"n": number})
        fleet.client.flush()
        until(lambda: fleet.document(f"other-{number}")[0], "what needs no store")  # noqa: B023
