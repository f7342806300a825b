from __future__ import annotations

import pytest

from syncpipe.core.deadletter import decode_dead
from syncpipe.core.routing import Lane, Priority
from syncpipe.errors import BrokerUnavailable, StoreOutdated, StoreUnavailable
from syncpipe.ops.lanes import look
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.store import MemoryStore
from tests.contract.schedules import entry
from tests.unit.ops.brokers import dead, put, worker


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def broker(clock):
    return MemoryBroker(clock)


def lane(status, target="crm", shard=0, topology=""):
    wanted = (Lane(target, shard), topology)
    return next(each for each in status.lanes if (each.lane, each.topology) == wanted)


def test_every_declared_lane_is_there_even_if_empty(broker):
    status = look(broker, ["crm", "erp"], 2)
    assert [each.lane for each in status.lanes] == [
        ("crm", 0),
        ("crm", 1),
        ("erp", 0),
        ("erp", 1),
    ]
    assert (status.depth, status.dead, status.problems) == (0, 0, ())


def test_what_waits_is_told_by_priority_with_the_age_of_the_oldest(broker, clock):
    put(broker, "sp.crm.0.low", 2)
    clock.advance(5)
    put(broker, "sp.crm.0.critical", 3)
    found = lane(look(broker, ["crm"], 1))
    assert found.ready == {
        Priority.CRITICAL: 3,
        Priority.HIGH: 0,
        Priority.NORMAL: 0,
        Priority.LOW: 2,
    }
    assert (found.depth, found.oldest_age_s) == (5, 5.0)


def test_what_workers_have_taken_still_counts(broker):
    put(broker, "sp.crm.0.normal", 2)
    broker.take(["sp.crm.0.normal"], limit=1)
    found = lane(look(broker, ["crm"], 1))
    assert (found.ready[Priority.NORMAL], found.unacked, found.depth) == (1, 1, 2)


def test_work_that_nobody_takes_is_a_problem(broker):
    put(broker, "sp.crm.0.normal", 4)
    (problem,) = look(broker, ["crm"], 1).problems
    assert problem.startswith("4 envelopes wait and no worker lives.")


def test_work_that_somebody_takes_is_none(broker):
    put(broker, "sp.crm.0.normal")
    broker.announce(worker(), ttl_s=5)
    status = look(broker, ["crm"], 1)
    assert status.problems == ()
    assert [each.name for each in status.workers] == ["w-1"]


def test_no_worker_is_no_problem_while_there_is_nothing_to_do(broker):
    assert look(broker, ["crm"], 1).problems == ()


def test_work_for_a_target_that_is_not_declared_is_a_problem(broker):
    put(broker, "sp.old.3.normal", 2)
    broker.announce(worker(), ttl_s=5)
    status = look(broker, ["crm"], 1)
    assert lane(status, "old", 3).depth == 2
    assert status.problems[0].startswith("2 envelopes wait for 'old'")


def test_work_in_a_shard_beyond_the_declared_ones_is_shown_and_no_problem(broker):
    put(broker, "sp.crm.7.normal")
    broker.announce(worker(), ttl_s=5)
    status = look(broker, ["crm"], 1)
    assert (lane(status, "crm", 7).depth, lane(status, "crm", 7).declared) == (1, False)
    assert status.problems == ()


def test_a_lane_of_another_version_of_the_topology_is_shown_beside_ours(broker):
    put(broker, "sp.crm.0.normal", 2)
    put(broker, "sp.crm.0.normal.v0", 3)
    put(broker, "sp.crm.0.low.v0", 1)
    broker.announce(worker(), ttl_s=5)
    status = look(broker, ["crm"], 1)
    ours, old = lane(status), lane(status, topology="v0")
    assert (ours.ready[Priority.NORMAL], ours.declared) == (2, True)
    assert (old.ready[Priority.NORMAL], old.ready[Priority.LOW], old.declared) == (3, 1, False)
    assert (len(status.lanes), status.depth, status.problems) == (2, 6, ())


def test_what_is_in_no_lane_is_told_by_its_queue(broker):
    put(broker, "sp.dead", 1)
    put(broker, "sp.dead.v0", 2)
    put(broker, "sp.limit", 3)
    status = look(broker, ["crm"], 1)
    assert (status.dead, dict(status.others)) == (1, {"sp.dead.v0": 2, "sp.limit": 3})


def test_dead_letters_are_counted_apart(broker):
    put(broker, "sp.dead", 3)
    status = look(broker, ["crm"], 1)
    assert (status.dead, status.depth) == (3, 0)


def test_what_waits_too_long_is_a_problem_whoever_lives(broker, clock):
    put(broker, "sp.crm.0.normal")
    clock.advance(61)
    broker.announce(worker(), ttl_s=5)

    (problem,) = look(broker, ["crm"], 1).problems

    assert problem.startswith("Envelopes for 'crm' wait for 61 s")


def test_workers_that_nobody_can_ask_for_are_unknown_and_a_problem(broker):
    def alarm():
        raise BrokerUnavailable("RabbitMQ takes nothing.")

    broker.workers = alarm
    put(broker, "sp.crm.0.normal", 4)

    status = look(broker, ["crm"], 1)

    assert (status.depth, status.workers) == (4, None)
    assert status.problems == ("Which workers live cannot be found out: RabbitMQ takes nothing.",)


def test_queues_that_are_missing_are_a_problem(broker):
    broker.missing = lambda queues: [*queues[1:2], "sp.limit"]
    (problem,) = look(broker, ["crm"], 1).problems
    assert problem.startswith("The broker has no queue 'sp.crm.0.high' and 1 more.")
    assert "`syncpipe migrate`" in problem


def test_queues_of_other_properties_are_a_problem(broker):
    broker.unfit = lambda queues: queues[-1:]
    (problem,) = look(broker, ["crm"], 1).problems
    assert problem.startswith("The queue 'sp.dead' has other properties")


@pytest.mark.parametrize("error", [StoreUnavailable("It is away."), StoreOutdated("It is old.")])
def test_a_store_that_cannot_be_used_is_a_problem(broker, error):
    class Away:
        def check(self):
            raise error

    seen = look(broker, ["crm"], 1, Away())
    assert seen.problems == (f"{error.message} {error.hint}",)
    assert seen.kept is None


def test_dead_letters_in_the_store_are_counted_apart(broker):
    store = MemoryStore()
    store.dead_letters.record([decode_dead(dead("orders", "k"))])
    put(broker, "sp.dead", 3)
    seen = look(broker, ["crm"], 1, store)
    assert (seen.dead, seen.kept, seen.problems) == (3, 1, ())
    assert look(broker, ["crm"], 1).kept is None


def test_what_is_scheduled_is_shown_and_worth_a_word_if_nobody_sends_it_on(broker):
    clock = FakeClock()
    store = MemoryStore(clock)
    store.schedule.put([entry(1, hours=1), entry(2, hours=2), entry(3, hours=9, target="gone")])
    seen = look(broker, ["crm"], 1, store)
    assert {name: (each.count, each.next_s) for name, each in seen.scheduled.items()} == {
        "crm": (2, 3600),
        "gone": (1, 9 * 3600),
    }
    (stranger,) = seen.problems
    assert stranger.startswith("1 operations are scheduled for 'gone', which is not a target")

    clock.advance(3600 + 61)
    overdue, _ = look(broker, ["crm"], 1, store).problems
    assert overdue.startswith("What is scheduled for 'crm' has been due for 61 s")


def test_without_a_store_nothing_is_known_of_what_is_scheduled(broker):
    assert look(broker, ["crm"], 1).scheduled is None
