"""Groups of which one member ends dead: the others cancelled or undone, by real workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid

import psycopg
import pytest

from syncpipe import app as wiring
from syncpipe.core.filtering import ALL
from syncpipe.core.routing import queues_of
from tests.acceptance.fleet import PATIENCE_S, ROOT, until
from tests.acceptance.test_dead_letters import Graveyard

EXTRA = """
    [targets.erp]
    type = "postgres"
    dsn = "{erp}"
    [collections.bills]
    target = ["crm", "erp"]
    table = "public.bills"
    key_types = ["int"]
    compensation = "delete"
    [collections.stock]
    target = ["crm", "erp"]
    compensation = "negate"
    [collections.notes]
    target = "crm"
    compensation = "tests.acceptance.test_groups:strike_out"
"""
#: Each deletion of a bill is counted, and bills without a total are not taken.
TABLES = """
    CREATE TABLE public.bills (id bigint PRIMARY KEY, total int CHECK (total > 0));
    CREATE TABLE public.deleted (id bigint);
    CREATE FUNCTION public.count_deleted() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO public.deleted VALUES (OLD.id); RETURN OLD; END';
    CREATE TRIGGER count_deleted BEFORE DELETE ON public.bills
        FOR EACH ROW EXECUTE FUNCTION public.count_deleted();
"""
#: A worker that is killed where the line says.
KILLED = """
import os, signal, sys
from syncpipe.store.postgres.groups import PostgresGroups
from syncpipe.store.postgres.schedule import PostgresSchedule
from workers.__main__ import main
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
def after(function):
    def called(self, members, *rest, **options):
        result = function(self, members, *rest, **options)
        if members: die()
        return result
    return called
{line}
main(sys.argv[1:])
"""
#: Where: before the effect is recorded, before and after what undoes it is scheduled, and when that
#: is in the broker and in the schedule.
PLACES = {
    "applied": "PostgresGroups.applied = die",
    "before": "PostgresGroups.compensate = lambda self, undone: die() if undone else 0",
    "after": "PostgresGroups.compensate = after(PostgresGroups.compensate)",
    "sent": "PostgresSchedule.remove = die",
}


def strike_out(operation):
    """Undo a note: say that it does not count, and keep it."""
    return "notes", operation.key, {"void": True}, "patch"


class Team(Graveyard):
    """A fleet with two targets, a store, and a client."""

    def __init__(self, folder, broker_url, dsn, erp_dsn, store_dsn, **options):
        self.dsns = {"crm": dsn, "erp": erp_dsn}
        super().__init__(
            folder, broker_url, dsn, store_dsn, extra=EXTRA.format(erp=erp_dsn), **options
        )

    def __enter__(self):
        for dsn in self.dsns.values():
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(TABLES)
        super().__enter__()
        erp = self.parts.target("erp")
        erp.init()
        erp.close()
        self.broker.declare(queues_of("erp", 4))
        self.client = wiring.Client(self.parts.settings)
        for number in range(3):
            self.client.increment("stock", f"s{number}", {"left": 1000})
        self.client.flush()
        return self

    def __exit__(self, *exc_info):
        self.client.close()
        super().__exit__(*exc_info)

    def query(self, target, query, *parameters):
        with psycopg.connect(self.dsns[target], autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def bills(self, target):
        return {number for (number,) in self.query(target, "SELECT id FROM public.bills")}

    def left(self, target, key="s0"):
        """What is left in stock; the queue of dead letters has a method of its own."""
        query = "SELECT document FROM syncpipe.documents WHERE collection = 'stock' AND key = %s"
        rows = self.query(target, query, key)
        return rows and rows[0][0] and rows[0][0]["left"]

    def buried(self):
        depth = super().left()
        return self.store.dead_letters.count() if not depth else None

    def group(self, number, *, bad=False, stock="s0"):
        """Send a group: a bill, an increment, and another bill; return its id."""
        group_id = self.begin(number, stock)
        self.end(number, group_id, total=-1 if bad else 6)
        return group_id

    def begin(self, number, stock="s0"):
        """Send the members of a group that are all right."""
        group_id = uuid.UUID(int=0x0197A000_0000_7000_8000_000000000000 + number)
        self.client.upsert("bills", 2 * number, {"total": 5}, group_id=group_id)
        self.client.increment("stock", stock, {"left": -1}, group_id=group_id)
        return group_id

    def end(self, number, group_id, total=-1):
        """Send the other member of a group."""
        self.client.upsert("bills", 2 * number + 1, {"total": total}, group_id=group_id)

    def codes(self):
        entries = self.store.triage.entries(ALL, limit=100_000)
        return sorted((entry.code, entry.target) for entry in entries)

    def undone(self, *groups):
        """Whether every applied member of the groups is undone, and nothing waits anywhere."""
        if not self.idle() or not all(self.store.groups.death(each.bytes) for each in groups):
            return False
        counts = [self.store.groups.counts(each.bytes) for each in groups]
        return all(each.entered == each.applied == each.compensated for each in counts) and (
            self.idle()
        )

    def applied(self, *groups):
        """Whether what `begin` has sent is applied at both targets."""
        return all(self.store.groups.counts(each.bytes).applied == 4 for each in groups)

    def idle(self):
        waiting = sum(each.count for each in self.store.schedule.outlook().values())
        return not waiting and not self.pending()

    def pending(self):
        queues = [queue for target in self.dsns for queue in queues_of(target, 4)]
        depths = self.broker.depths(queues).values()
        return sum(depth.ready + depth.unacked for depth in depths)

    def run_killed(self, place):
        """Start a worker that is killed at a place, and wait for that."""
        argv = (sys.executable, "-c", KILLED.format(line=PLACES[place]), "--name", place)
        worker = subprocess.Popen(
            (*argv, "--config", str(self.config)), cwd=ROOT, stdout=subprocess.DEVNULL
        )
        self.workers.append(worker)
        assert worker.wait(PATIENCE_S) == -signal.SIGKILL


@pytest.fixture(params=["redis", "rabbitmq"])
def team(request, tmp_path, postgres):
    url, options = request.getfixturevalue(f"{request.param}_url"), {}
    if request.param == "rabbitmq":
        options["management_url"] = request.getfixturevalue("rabbitmq").management_url
    dsns = [postgres.new_database() for _ in range(3)]
    with Team(tmp_path, url, *dsns, **options) as team:
        yield team
    for dsn in dsns:
        postgres.drop_database(dsn)


def test_of_a_group_with_a_bad_member_nothing_stays_at_either_target(team):
    team.start()
    bad, good = team.begin(1), team.group(2)
    team.client.flush()
    until(lambda: team.applied(bad), "members that are applied")
    assert team.bills("crm") >= {2}  # everybody sees it meanwhile
    team.end(1, bad)
    team.client.flush()
    until(lambda: team.undone(bad), "a group that is undone")
    until(lambda: team.left("crm") == team.left("erp") == 999, "the stock of the good group")
    for target in team.dsns:
        assert team.bills(target) == {4, 5}
        assert team.query(target, "SELECT id FROM public.deleted") == [(2,)]
    assert {code for code, _ in team.codes()} <= {"SP-E511", "SP-E517"}
    assert team.store.groups.death(bad.bytes).code == "SP-E511"
    assert team.store.groups.death(good.bytes) is None
    assert team.events()["compensated"]


def test_a_member_that_comes_after_the_end_is_cancelled(team):
    team.start()
    bad = team.group(1, bad=True)
    team.client.flush()
    until(lambda: team.undone(bad), "a group that is undone")
    team.client.upsert("bills", 99, {"total": 1}, group_id=bad)
    team.client.upsert("bills", 98, {"total": 1}, group_id=bad, delay=3600)
    team.client.flush()
    late = [("SP-E517", target) for target in ("crm", "crm", "erp", "erp")]
    until(lambda: team.codes()[-4:] == late and team.codes(), "cancelled members at both targets")
    assert team.bills("crm") == team.bills("erp") == set()


def test_a_delayed_member_is_cancelled_when_its_group_ends(team):
    team.start()
    group_id = uuid.uuid4()
    team.client.upsert("bills", 1, {"total": 1}, group_id=group_id, delay=3600)
    team.client.flush()
    until(lambda: team.store.schedule.outlook().get("erp"), "what is scheduled")
    until(lambda: team.store.schedule.outlook().get("crm"), "what is scheduled")
    team.client.upsert("bills", 2, {"total": -1}, group_id=group_id)
    team.client.flush()
    until(lambda: team.buried() == 4, "dead letters of both members at both targets")
    assert team.store.groups.death(group_id.bytes).code == "SP-E511"
    until(team.idle, "an empty schedule")


def test_a_function_says_what_undoes_a_member(team):
    team.start()
    group_id = uuid.uuid4()
    team.client.upsert("notes", "n", {"text": "hello"}, group_id=group_id)
    team.client.flush()
    until(lambda: team.store.groups.counts(group_id.bytes).applied, "a note")
    team.client.upsert("bills", 1, {"total": -1}, group_id=group_id)
    team.client.flush()
    until(lambda: team.undone(group_id), "a group that is undone")
    query = "SELECT document FROM syncpipe.documents WHERE collection = 'notes'"
    assert team.query("crm", query) == [({"text": "hello", "void": True},)]


@pytest.mark.parametrize("place", list(PLACES))
def test_workers_killed_on_the_way_change_nothing(team, place):
    groups = [team.begin(number) for number in range(5)]
    team.client.flush()
    if place != "applied":
        worker = team.start()
        until(lambda: team.applied(*groups), "members that are applied")
        worker.kill()
        worker.wait()
    else:
        team.run_killed(place)
    for number, group_id in enumerate(groups):
        team.end(number, group_id)
    team.client.flush()
    if place != "applied":
        team.run_killed(place)
    team.start()
    until(lambda: team.undone(*groups), "groups that are undone")
    until(lambda: team.left("crm") == team.left("erp") == 1000, "the stock of before")
    for target in team.dsns:
        assert team.bills(target) == set()
        found = team.query(target, "SELECT id FROM public.deleted ORDER BY id")
        every = [(2 * number,) for number in range(5)]
        assert found == every or place == "applied"
        assert len(set(found)) == len(found)


def test_while_the_store_is_away_members_wait_and_others_go_on(team):
    team.start()
    until(lambda: team.left("crm") == 1000, "the stock")
    with team.store_away():
        group = team.group(1, bad=True)
        team.client.upsert("bills", 77, {"total": 7})
        team.client.flush()
        until(lambda: team.bills("crm") == team.bills("erp") == {77}, "who has no group")
        assert team.left("crm") == 1000
    until(lambda: team.undone(group), "a group that is undone")
    assert team.bills("crm") == team.bills("erp") == {77}
    assert team.left("crm") == team.left("erp") == 1000


def test_a_thousand_groups(team):
    team.start()
    team.start()
    groups = [
        team.group(number, bad=number % 10 == 3, stock=f"s{number % 3}") for number in range(1000)
    ]
    team.client.flush()
    dead = [each for number, each in enumerate(groups) if number % 10 == 3]
    until(lambda: team.undone(*dead), "groups that are undone")
    good = [number for number in range(1000) if number % 10 != 3]
    for target in team.dsns:
        assert team.bills(target) == {2 * n + i for n in good for i in (0, 1)}
        for key in range(3):
            assert team.left(target, f"s{key}") == 1000 - sum(n % 3 == key for n in good)
    until(team.buried, "all dead letters in the store")
    assert {code for code, _ in team.codes()} <= {"SP-E511", "SP-E517"}
    assert not any(team.store.groups.death(groups[number].bytes) for number in good)


def test_a_function_that_is_not_there_keeps_the_worker_from_starting(team):
    text = team.config.read_text().replace("strike_out", "strike_in")
    team.config.write_text(text)
    worker = team.start(ready=False)
    assert worker.wait(PATIENCE_S) == wiring.REFUSED
    (line,) = [line for line in team.lines() if line["event"] == "refused-to-start"]
    assert line["code"] == "SP-E100"
    assert "collections.notes.compensation" in json.dumps(line)
