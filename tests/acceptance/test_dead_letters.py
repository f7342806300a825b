"""Dead letters on their way from the broker into the store, on every broker, by real workers."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import uuid

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import conninfo, sql

from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter, encode_dead
from syncpipe.core.filtering import ALL
from syncpipe.core.operation import Kind
from syncpipe.core.routing import DEAD_QUEUE, Lane, Priority
from syncpipe.transport.broker import DEAD_TASK, Outbound
from tests.acceptance.fleet import ROOT, StoredFleet, end, until
from tests.acceptance.test_flower import flower_of

LANE = Lane("crm", 0)
QUEUE = LANE.queue(Priority.NORMAL)
#: Those that need the store.
STORE_JOBS = ("dead-letters", "promote", "strangers")
#: A worker that dies when its letters are committed and not yet acknowledged.
DIES_BEFORE_IT_ACKNOWLEDGES = """
import os, signal, sys
from workers import recorder
from workers.__main__ import main
recorder.Recorder._collect = lambda self: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


class Graveyard(StoredFleet):
    """A fleet with a store, in a database of its own."""

    def __init__(self, folder, broker_url, dsn, store_dsn, **options):
        extra = f'[store]\ndsn = "{store_dsn}"\n{options.pop("extra", "")}'
        super().__init__(folder, broker_url, dsn, extra, **options)
        self.store_dsn = store_dsn

    def bury(self, number, at=0):
        """Put so many dead letters into the broker, as a pipeline does; return them."""
        letters = [
            DeadLetter(
                raw=encode(each),
                queue=QUEUE,
                stage="apply",
                code="SP-E511",
                message="No.",
                died_ms=at + place,
                worker="w@h",
                operation_id=each.uuid,
                collection="orders",
                key=each.key,
                version=each.version,
            )
            for place, each in enumerate(self.operations(number))
        ]
        self.publish(encode_dead(letter) for letter in letters)
        return letters

    def publish(self, bodies, task=DEAD_TASK):
        outbound = [Outbound(DEAD_QUEUE, body, str(uuid.uuid4()), task) for body in bodies]
        assert set(self.broker.publish(outbound, timeout_s=60)) == {None}

    def poison(self, count):
        """Send so many operations that no target takes, among others; return their bytes."""
        strangers = [replace(each, collection="nobodys") for each in self.operations(count)]
        outbound = [self.outbound(LANE, Priority.NORMAL, [encode(each)]) for each in strangers]
        assert set(self.broker.publish(outbound, timeout_s=60)) == {None}
        return {encode(each) for each in strangers}

    def kept(self):
        """What the store keeps, each with everything."""
        return self.store.triage.letters(ALL, limit=100_000)

    def holds(self, number):
        """Whether the store keeps so many, and the broker none."""
        return self.store.dead_letters.count() == number and not self.left()

    def left(self):
        """How many wait in the broker, or are in somebody's hands."""
        depth = self.broker.depths([DEAD_QUEUE])[DEAD_QUEUE]
        return depth.ready + depth.unacked

    def recorded(self, number=0):
        """How many letters a worker says it has recorded."""
        return sum(e["letters"] for e in self.lines(number) if e["event"] == "dead-letters-kept")

    def troubles(self, number=0):
        """What a worker says about its store, whichever job meets it first; each thing once."""
        events = ("periodic-fails", "periodic-works")
        lines = [e for e in self.lines(number) if e["event"] in events]
        told = [(e["event"], e.get("code")) for e in lines if e["job"] in STORE_JOBS]
        return list(dict.fromkeys(told))

    @contextlib.contextmanager
    def store_away(self):
        """Let nobody into the store's database for a while."""
        name = conninfo.conninfo_to_dict(self.store_dsn)["dbname"]
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            connection.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            try:
                yield
            finally:
                connection.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
        self.store.close()
        self.store = self.parts.store()


@pytest.fixture(params=["redis", "rabbitmq"])
def place(request, tmp_path, dsn, postgres):
    """Builds a fleet with a store."""
    url, options = request.getfixturevalue(f"{request.param}_url"), {}
    if request.param == "rabbitmq":
        options["management_url"] = request.getfixturevalue("rabbitmq").management_url
    store_dsn = postgres.new_database()
    yield lambda **more: Graveyard(tmp_path, url, dsn, store_dsn, **options, **more)
    postgres.drop_database(store_dsn)


@pytest.fixture
def fleet(place):
    with place() as fleet:
        yield fleet


def test_what_is_given_up_arrives_byte_for_byte_and_each_once(fleet):
    fleet.start()
    fleet.send(200)
    poison = fleet.poison(30)
    fleet.arrive()
    until(lambda: fleet.holds(30), "thirty letters")
    kept = fleet.kept()
    assert {each.letter.raw for each in kept} == poison
    assert {(each.letter.code, each.letter.stage) for each in kept} == {("SP-E514", "verify")}
    assert {each.times_seen for each in kept} == {1}
    assert fleet.troubles() == []


def test_one_process_records_and_another_takes_over(fleet):
    first, second = fleet.start(), fleet.start()
    until(lambda: fleet.owned() == [2, 2], "two halves")
    fleet.bury(50)
    until(lambda: fleet.holds(50), "fifty letters")
    leading = int(fleet.recorded(0) == 0)
    assert fleet.recorded(leading) == 50
    end((first, second)[leading], signal.SIGKILL)
    fleet.bury(50)
    until(lambda: fleet.holds(100), "a hundred letters")
    assert fleet.recorded(1 - leading) == 50


def test_a_worker_killed_between_commit_and_acknowledgement_changes_nothing(fleet):
    letters = fleet.bury(40)
    argv = (sys.executable, "-c", DIES_BEFORE_IT_ACKNOWLEDGES, "--name", "dying")
    for _ in range(2):
        done = subprocess.run(
            [*argv, "--config", str(fleet.config)], cwd=ROOT, capture_output=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stdout
        assert fleet.store.dead_letters.count() > 0
    fleet.start()
    until(lambda: fleet.holds(40), "forty letters")
    kept = fleet.kept()
    assert {each.letter.raw for each in kept} == {letter.raw for letter in letters}
    assert {each.times_seen for each in kept} == {1}


def test_while_the_store_is_away_letters_wait_and_everything_else_goes_on(fleet):
    worker = fleet.start()
    fleet.bury(5)
    until(lambda: fleet.holds(5), "a store that works")
    with fleet.store_away():
        poison = fleet.poison(20)
        until(lambda: ("periodic-fails", "SP-E701") in fleet.troubles(), "an alarm")
        for _ in range(5):
            fleet.send(100)
            fleet.arrive()
        assert worker.poll() is None
        until(lambda: fleet.broker.ready([DEAD_QUEUE]) == 20, "twenty letters that wait")
    until(lambda: fleet.holds(25), "all letters")
    kept = [each for each in fleet.kept() if each.letter.code == "SP-E514"]
    assert {each.letter.raw for each in kept} == poison
    assert {each.times_seen for each in kept} == {1}
    assert set(fleet.troubles()) == {("periodic-fails", "SP-E701"), ("periodic-works", None)}


def test_a_store_that_hangs_holds_up_nothing(place):
    with place(extra="lock_timeout_s = 2\n[worker]\nthreads = 1") as fleet:
        fleet.start()
        with psycopg.connect(fleet.store_dsn) as other:
            other.execute("LOCK TABLE syncpipe.dead_letters")
            fleet.bury(50)
            for _ in range(5):
                fleet.send(100)
                fleet.arrive()
            until(lambda: ("periodic-fails", "SP-E701") in fleet.troubles(), "an alarm")
        until(lambda: fleet.holds(50), "fifty letters")


def test_a_store_without_tables_is_waited_for(fleet):
    with psycopg.connect(fleet.store_dsn, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA syncpipe RENAME TO away")
        fleet.start()
        fleet.bury(3)
        until(lambda: ("periodic-fails", "SP-E702") in fleet.troubles(), "an alarm")
        fleet.send(100)
        fleet.arrive()
        connection.execute("ALTER SCHEMA away RENAME TO syncpipe")
    until(lambda: fleet.holds(3), "three letters")


def test_letters_from_before_there_was_a_store_are_brought_too(place):
    with place() as fleet:
        text = fleet.config.read_text()
        fleet.config.write_text(text[: text.index("[store]")])
        worker = fleet.start()
        poison = fleet.poison(10)
        until(lambda: fleet.broker.ready([DEAD_QUEUE]) == 10, "ten letters that wait")
        end(worker)
        assert fleet.store.dead_letters.count() == 0
        fleet.config.write_text(text)
        fleet.start()
        until(lambda: fleet.holds(10), "ten letters")
        assert {each.letter.raw for each in fleet.kept()} == poison


def test_whatever_lies_among_the_dead_letters_is_kept_with_its_bytes(fleet):
    garbage = [b"", b"\x00\xff garbage", b"SPD\x01\x80", b"SPD\x01" + b"\xc1" * 100]
    fleet.publish(garbage)
    fleet.publish([b"another task"], task="somebody.else")
    (envelope,) = (
        fleet.outbound(LANE, Priority.NORMAL, [encode(each)]) for each in fleet.operations(1)
    )
    fleet.publish([envelope.body], task="syncpipe.apply")
    fleet.bury(1)
    fleet.start()
    fleet.send(50)
    fleet.arrive()
    until(lambda: fleet.holds(7), "seven letters")
    unreadable = {k.letter.raw for k in fleet.kept() if k.letter.code == "SP-E306"}
    assert unreadable == {*garbage, b"another task", envelope.body}


def test_ten_thousand_letters_hold_up_nobody(fleet):
    fleet.bury(10_000)
    fleet.start()
    fleet.start()
    fleet.send(500)
    fleet.arrive()
    until(lambda: fleet.holds(10_000), "ten thousand letters", within_s=900)
    rows = fleet.store.triage.entries(ALL, limit=20_000)
    assert {entry.times_seen for entry in rows} == {1}
    assert all(events["stalled"] == 0 for events in map(fleet.events, range(2)))


PEOPLE = """
    [collections.people]
    target = "crm"
    table = "public.people"
"""


def test_flower_shows_each_letter_and_nothing_of_what_is_in_it(place):
    with place(extra=PEOPLE) as fleet:
        with psycopg.connect(fleet.dsn, autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE public.people (id text PRIMARY KEY, name text, born date,"
                " CONSTRAINT sensible CHECK (name <> 'canary-name'))"
            )
        with flower_of(fleet) as flower:
            fleet.start()
            until(flower.consumed, "a worker")
            operations = [
                replace(each, kind=Kind.UPSERT, collection="people", key=f"canary-key-{n}", data=d)
                for n, (each, d) in enumerate(
                    zip(
                        fleet.operations(2),
                        ({"name": "canary-name"}, {"born": "canary-born"}),
                        strict=True,
                    )
                )
            ]
            outbound = [fleet.outbound(LANE, Priority.HIGH, [encode(each)]) for each in operations]
            outbound.append(Outbound(QUEUE, b"canary-raw", str(uuid.uuid4()), "syncpipe.apply"))
            assert set(fleet.broker.publish(outbound, timeout_s=60)) == {None}
            until(lambda: fleet.holds(3), "three letters")
            tasks = until(lambda: shown(flower, 3), "three tasks")
            pages = [flower.get(path) for path in ("/tasks", *(f"/task/{id_}" for id_ in tasks))]
        kept = {each.letter.operation_id or each.id: each for each in fleet.kept()}
        assert tasks.keys() == kept.keys()
        for id_, task in tasks.items():
            letter = kept[id_].letter
            assert task["state"] == "DEADLETTERED"
            assert task["name"] == "syncpipe.apply"
            assert task["result"] == kept[id_].id
            assert task["routing_key"] == letter.queue
            assert task["exception"].startswith(letter.code)
            assert not task["args"]
            assert not task["kwargs"]
        assert any("sensible" in task["exception"] for task in tasks.values())
        assert all(pages)
        assert "canary" not in "".join(pages) + json.dumps(tasks)
        logs = [path.read_text() for path in fleet.folder.glob("*.log")]
        assert "canary" not in "".join(logs)


def shown(flower, number):
    """The dead letters that Flower shows, once there are so many."""
    tasks = json.loads(flower.get("/api/tasks?state=DEADLETTERED") or "{}")
    return tasks if len(tasks) >= number else None
