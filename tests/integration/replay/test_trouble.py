"""Replays that meet trouble: nothing hangs, nothing is lost, and nothing is done twice."""

from __future__ import annotations

import uuid

import pytest

from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.errors import StoreUnavailable, TargetUnavailable
from syncpipe.store.replays import ReplayState, Report
from tests.integration.replay.world import act


def orphans(world, count):
    """Operations that the target refuses for good."""
    return [
        world.operation(str(n), data={"parent": "no number"}, collection="children")
        for n in range(count)
    ]


class Dies:
    """What a process has of a store when it dies before it can mark what it has published."""

    def __init__(self, replaying):
        self._replaying = replaying

    def __getattr__(self, name):
        return getattr(self._replaying, name)

    def sent(self, *_, **__):
        raise StoreUnavailable("killed")

    def end(self, *_, **__):
        raise StoreUnavailable("killed")


def test_a_canary_that_dies_stops_it_before_the_rest_is_sent(world):
    world.bury(*orphans(world, 40))
    made = world.create(canary=5)
    for _ in range(5):
        world.step()
        world.work()
    stopped = world.find(made)
    assert (stopped.state, stopped.sent, stopped.outcomes) == (ReplayState.PAUSED, 5, {"dead": 5})
    assert stopped.stopped == "of the canary, 5 of 5 are dead again (100%), more than 5%"
    assert list(world.states().values()).count("open") == 5
    world.store.replays.resume(made.id, act("replay.resume"))
    ended = world.run(made)
    assert ended.state is ReplayState.FINISHED
    assert ended.outcomes == {"dead": 40}
    assert set(world.states().values()) == {"open"}


def test_the_rest_waits_for_every_outcome_of_the_canary(world):
    world.bury(*(world.operation(f"k{n}") for n in range(30)))
    made = world.create(canary=10)
    for _ in range(3):
        world.step()
        assert world.find(made).sent == 10
    world.work()
    assert world.step().state is ReplayState.RUNNING
    assert world.run(made).outcomes == {"applied": 30}


def test_too_many_dead_stop_it_and_are_forgiven_when_it_is_resumed(world):
    world.bury(*(world.operation(f"k{n}") for n in range(30)), *orphans(world, 30))
    world.bury(*(world.operation(f"l{n}") for n in range(30)))
    made = world.create(rate=20.0, stop_on_error_rate=0.2)
    stopped = world.find(made)
    for _ in range(20):
        if stopped.state is not ReplayState.RUNNING:
            break
        world.pass_time(1)
        world.step()
        world.work()
        stopped = world.find(made)
    assert stopped.state is ReplayState.PAUSED
    assert "are dead again" in stopped.stopped
    assert "more than 20%" in stopped.stopped
    assert stopped.sent < 90
    resumed = world.store.replays.resume(made.id, act("replay.resume"))
    assert (resumed.state, resumed.stopped) == (ReplayState.RUNNING, "")


@pytest.mark.parametrize("dies", [1, 3])
def test_whoever_dies_after_publishing_has_harmed_nothing(world, dies):
    world.bury(*(world.operation(f"k{n % 7}", Kind.INCREMENT) for n in range(70)))
    made = world.create()
    killed = world.another(replaying=Dies(world.store.replaying))
    for _ in range(dies):
        with pytest.raises(StoreUnavailable):
            killed.step()
        assert world.step() is None  # it is still lent
        world.pass_time(11)
    ended = world.run(made)
    assert (ended.state, ended.ended) == (ReplayState.FINISHED, 70)
    assert [world.document(f"k{n}") for n in range(7)] == [{"n": 10}] * 7
    assert set(world.states().values()) == {"resolved"}


def test_what_was_lost_is_sent_again_unless_it_may_still_come(world):
    world.bury(*(world.operation(f"k{n}", Kind.INCREMENT) for n in range(10)))
    made = world.create()
    world.step()
    world.pass_time(61)
    assert world.step().sent == 0  # it waits in its queue
    assert world.find(made).stopped == "waits: 10 for crm"
    for queue in world.broker.queues():
        world.broker.purge(queue)
    world.pass_time(61)
    assert world.step().sent == 10
    assert world.run(made).outcomes == {"applied": 10}


def test_what_is_never_heard_of_is_open_again_in_the_end(world):
    world.bury(world.operation("a"))
    made = world.create()
    for _ in range(7):
        world.step()
        for queue in world.broker.queues():
            world.broker.purge(queue)
        world.pass_time(61)
    assert world.items(made) == [("dead", "SP-E609")]
    assert set(world.states().values()) == {"open"}


def test_what_was_lost_of_a_cancelled_one_is_open_again(world):
    world.bury(world.operation("a"))
    made = world.create()
    world.step()
    world.store.replays.cancel(made.id, act("replay.cancel"))
    for queue in world.broker.queues():
        world.broker.purge(queue)
    for _ in range(3):
        world.pass_time(61)
        world.step()
    assert world.find(made).state is ReplayState.CANCELLED
    assert set(world.states().values()) == {"open"}
    world.pass_time(61)
    assert world.step() is None


def test_what_nobody_could_read_goes_to_its_queue_as_it_came(world):
    ids = [world.bury_raw(b"garbage"), world.bury_raw(b"{}", "sp.gone.0.normal")]
    ids.append(world.bury_raw(b"more", "sp.dead"))
    made = world.create(stop_on_error_rate=1.0)
    world.step()
    assert world.broker.peek("sp.crm.0.normal", limit=9) == [b"garbage"]
    world.step()
    found = world.find(made)
    assert (found.state, found.outcomes) == (ReplayState.FINISHED, {"sent": 2, "dead": 1})
    assert [world.states()[id_] for id_ in ids] == ["resolved", "open", "resolved"]
    world.work()
    assert set(world.states().values()) == {"open"}  # they were no better this time


def test_what_can_only_fail_ends_with_its_reason(world):
    world.bury(world.operation("a", collection="nobodys"))
    world.bury(world.operation("b"), queue="sp.gone.0.normal")
    world.bury(world.operation("c", expires_ms=1))
    world.bury(world.operation("d", version=2**62))
    made = world.create(stop_on_error_rate=1.0)
    ended = world.run(made)
    assert (ended.state, ended.outcomes) == (ReplayState.FINISHED, {"dead": 3, "expired": 1})
    assert sorted(world.items(made)) == [
        ("dead", "SP-E102"),
        ("dead", "SP-E512"),
        ("dead", "SP-E514"),
        ("expired", None),
    ]
    assert set(world.states().values()) == {"open"}
    world.run(world.create("key:d", as_of_now=True))
    assert world.document("d") == {"n": 1}


def test_a_member_of_a_dead_group_is_dead_again(world):
    group = uuid.uuid4().bytes
    world.bury(world.operation("a", group_id=group))
    ended = world.run(world.create(stop_on_error_rate=1.0))
    assert (ended.state, ended.outcomes) == (ReplayState.FINISHED, {"dead": 1})
    assert set(world.states().values()) == {"open"}


def test_a_target_that_is_away_only_makes_it_wait(world):
    world.bury(*(world.operation(f"k{n}") for n in range(30)))
    made = world.create()
    away = world.another(why=lambda target: f"{target} is away")
    target, world.pipeline.target = world.pipeline.target, Away()
    for _ in range(5):
        world.step(away)
        world.work()
        world.pass_time(6)
    waiting = world.find(made)
    assert (waiting.state, waiting.sent, waiting.outcomes) == (ReplayState.RUNNING, 30, {})
    assert waiting.stopped == "waits: 30 for crm (crm is away)"
    world.pipeline.target = target
    assert world.run(made).outcomes == {"applied": 30}
    assert world.find(made).stopped == ""


class Away:
    """A target that does not answer."""

    def now_ms(self):
        raise TargetUnavailable("Away.")

    def apply(self, *_, **__):
        raise TargetUnavailable("Away.")


def test_what_is_tried_later_is_still_the_replays(world):
    world.bury(world.operation("7", data={"parent": 1}, collection="children"))
    made = world.create()
    world.step()
    world.work()
    world.pass_time(61)
    assert world.step().sent == 0
    waiting = world.find(made)
    assert (waiting.outcomes, waiting.stopped) == ({}, "waits: 1 to be tried later")
    world.query("INSERT INTO public.parents VALUES (1)", dsn=world.target_dsn)
    world.promote()
    assert world.run(made).outcomes == {"applied": 1}


def test_a_letter_that_was_changed_meanwhile_is_left_alone(world):
    (id_,) = world.bury(world.operation("a"))
    made = world.create()
    world.query("UPDATE syncpipe.dead_letters SET state = 'discarded'")
    assert world.run(made).outcomes == {"skipped": 1}
    assert world.states() == {id_: "discarded"}
    assert world.document("a") is None


def test_a_good_outcome_takes_the_place_of_a_bad_one_and_no_other(world):
    (id_,) = world.bury(world.operation("a"))
    made = world.create(stop_on_error_rate=1.0)
    world.step()

    def report(outcome):
        world.store.outcomes.report([Report(made.id, id_, outcome)] * 2)
        return world.items(made)[0][0], world.states()[id_]

    assert report(Outcome.DEAD) == ("dead", "open")
    world.step()
    assert world.find(made).outcomes == {"dead": 1}
    assert report(Outcome.EXPIRED) == ("dead", "open")
    assert report(Outcome.DUPLICATE) == ("duplicate", "resolved")
    assert report(Outcome.DEAD) == ("duplicate", "resolved")
    assert world.find(made).outcomes == {"duplicate": 1}
    world.step()
    assert world.find(made).outcomes == {"duplicate": 1}
    assert world.step() is None


def test_another_replays_letter_is_not_touched(world):
    (id_,) = world.bury(world.operation("a"))
    first = world.create()
    world.store.replays.cancel(first.id, act("replay.cancel"))
    second = world.create()
    world.store.outcomes.report([Report(first.id, id_, Outcome.DEAD)])
    world.store.outcomes.report([Report(str(uuid.uuid4()), id_, Outcome.APPLIED)])
    assert world.states()[id_] == "replaying"
    assert world.run(second).outcomes == {"applied": 1}
