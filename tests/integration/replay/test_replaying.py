"""What a replay does with dead letters, and what becomes of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from syncpipe.core.operation import Kind
from syncpipe.errors import AuditKeyMissing, NotPossible
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.replays import ReplayState
from tests.integration.replay.world import DECLARED, act


def test_what_is_replayed_arrives_and_its_letter_is_resolved(world):
    ids = world.bury(*(world.operation(f"k{n}", data={"n": n}) for n in range(50)))
    made = world.create("target:crm", canary=3)
    assert (made.state, made.total, made.actor) == (ReplayState.CANARY, 50, "ann@test")
    assert set(world.states().values()) == {"replaying"}
    ended = world.run(made)
    assert (ended.state, ended.sent, ended.outcomes) == (
        ReplayState.FINISHED,
        50,
        {"applied": 50},
    )
    assert ended.ended_ms >= made.created_ms
    assert world.states() == dict.fromkeys(ids, "resolved")
    assert [world.document(f"k{n}") for n in range(50)] == [{"n": n} for n in range(50)]
    assert (world.audited().verb, world.audited().subject) == ("dlq.replay", made.id)
    assert world.audited().details == {"letters": 50, "filter": "target:crm"}
    assert world.step() is None


def test_what_is_stale_is_superseded_and_harms_nothing(world):
    stale = world.operation("a", data={"n": 1})
    world.apply(world.operation("a", data={"n": 2}))
    (id_,) = world.bury(stale)
    assert world.run(world.create()).outcomes == {"superseded": 1}
    assert world.document("a") == {"n": 2}
    assert world.states() == {id_: "resolved"}


def test_as_of_now_wins_in_the_order_of_versions(world):
    stale = [world.operation("a", Kind.PATCH, {"n": n}) for n in range(20)]
    world.apply(world.operation("a", data={"n": 99, "m": 1}))
    world.bury(*reversed(stale))
    assert world.run(world.create(as_of_now=True)).outcomes.keys() <= {"applied", "merged"}
    assert world.document("a") == {"n": 19, "m": 1}


def test_as_of_now_an_increment_that_was_applied_after_all_counts_once(world):
    lost = world.operation("a", Kind.INCREMENT, {"n": 5})
    world.apply(lost)
    world.bury(lost, world.operation("a", Kind.INCREMENT, {"n": 1}))
    ended = world.run(world.create(as_of_now=True))
    assert ended.outcomes == {"duplicate": 1, "applied": 1}
    assert world.document("a") == {"n": 6}


def test_as_of_now_is_refused_where_versions_come_from_the_source(world):
    world.bury(world.operation("a", collection="prices", version=7))
    world.bury(world.operation("b"))
    order = world.order(as_of_now=True)
    with pytest.raises(NotPossible, match="source"):
        world.store.replays.plan(order, DECLARED)
    with pytest.raises(NotPossible, match="source"):
        world.create(as_of_now=True)
    assert set(world.states().values()) == {"open"}
    made = world.create(as_of_now=True, declared=None, stop_on_error_rate=1.0)
    ended = world.run(made)
    assert (ended.state, ended.outcomes) == (ReplayState.FINISHED, {"dead": 1, "applied": 1})
    assert ("dead", "SP-E804") in world.items(made)
    assert world.run(world.create()).outcomes == {"applied": 1}


def test_a_plan_is_what_would_be_taken(world):
    ids = world.bury(*(world.operation(f"k{n % 3}") for n in range(6)), code="SP-E510")
    world.bury_raw(b"garbage")
    world.bury(world.operation("x", expires_ms=1), queue="sp.crm.0.high")
    world.bury(world.operation("y", collection="nobodys"))
    world.bury(world.operation("z"), queue="sp.gone.0.normal")
    plan = world.store.replays.plan(world.order(), DECLARED)
    assert (plan.number, plan.records, plan.unreadable, plan.hopeless) == (10, 6, 1, 3)
    assert plan.by_target == {"crm": 9, "gone": 1}
    assert plan.by_code == {"SP-E510": 6, "SP-E511": 3, "SP-E305": 1}
    few = world.store.replays.plan(world.order("code:SP-E510", limit=4), DECLARED)
    assert (few.number, few.first) == (4, ids[:4])
    made = world.create("code:SP-E510", limit=4)
    taken = [id_ for id_, state in world.states().items() if state == "replaying"]
    assert (made.total, sorted(taken)) == (4, sorted(ids[:4]))


def test_nothing_to_replay_is_refused_and_not_written_down(world):
    before = world.store.audit.head()
    with pytest.raises(NotPossible, match="No open dead letter"):
        world.create("target:erp")
    assert world.store.audit.head() == before


def test_without_a_key_for_the_audit_nothing_is_taken(world):
    world.bury(world.operation("a"))
    keyless = PostgresStore(StoreOptions(world.store_dsn))
    with pytest.raises(AuditKeyMissing):
        keyless.replays.create(world.order(), act("dlq.replay"))
    keyless.close()
    assert set(world.states().values()) == {"open"}


def test_of_two_replays_at_the_same_time_each_letter_is_in_one(world):
    world.bury(*(world.operation("a", Kind.INCREMENT) for _ in range(300)))
    made = []

    def create(text):
        try:
            made.append(world.create(text))
        except NotPossible:
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, ["", "target:crm", "code:511", "collection:orders"]))
    assert sum(each.total for each in made) == 300
    for each in made:
        world.run(each)
    assert world.document("a") == {"n": 300}


def test_a_pause_stops_it_and_resuming_goes_on(world):
    world.bury(*(world.operation(f"k{n}") for n in range(30)))
    made = world.create("", rate=10.0)
    world.step()
    world.store.replays.pause(made.id, act("replay.pause"))
    sent = world.find(made).sent
    world.pass_time(60)
    assert world.step() is None
    world.work()
    paused = world.find(made)
    assert (paused.state, paused.sent, paused.outcomes) == (
        ReplayState.PAUSED,
        sent,
        {"applied": sent} if sent else {},
    )
    with pytest.raises(NotPossible, match="is paused"):
        world.store.replays.pause(made.id, act("replay.pause"))
    assert world.store.replays.resume(made.id[:8], act("x")).state is ReplayState.RUNNING
    for _ in range(40):
        world.pass_time(1)
        world.step()
        world.work()
    assert world.find(made).outcomes == {"applied": 30}


def test_what_was_not_sent_is_open_again_when_it_is_cancelled(world):
    ids = world.bury(*(world.operation(f"k{n}") for n in range(30)))
    made = world.create(canary=10)
    world.step()
    cancelled = world.store.replays.cancel(made.id, act("replay.cancel"))
    assert (cancelled.state, cancelled.sent) == (ReplayState.CANCELLED, 10)
    assert world.audited().details == {"opened": 20}
    states = world.states()
    assert [states[id_] for id_ in ids] == ["replaying"] * 10 + ["open"] * 20
    world.work()
    ended = world.run(made)
    assert (ended.state, ended.outcomes) == (ReplayState.CANCELLED, {"applied": 10})
    assert list(world.states().values()).count("resolved") == 10
    again = world.create()
    assert again.total == 20
    with pytest.raises(NotPossible, match="is cancelled"):
        world.store.replays.resume(made.id, act("replay.resume"))


def test_its_rate_is_kept(world):
    world.bury(*(world.operation(f"k{n}") for n in range(300)))
    began_s = world.clock.monotonic()
    made = world.create(rate=20.0)
    for _ in range(4):
        world.pass_time(0.5)
        world.step()
    sent, took_s = world.find(made).sent, world.clock.monotonic() - began_s
    assert 40 <= sent <= 20 * (2 + took_s) + 1
    world.pass_time(3600)
    world.step()
    assert world.find(made).sent <= sent + 20


def test_a_replay_is_found_by_the_beginning_of_its_id(world):
    world.bury(world.operation("a"), world.operation("b"))
    made = [world.create(limit=1), world.create()]
    assert world.store.replays.find(made[0].id[:8]).id == made[0].id
    assert world.store.replays.find(made[0].id[:7]) is None
    assert world.store.replays.find("' OR true --") is None
    assert [each.id for each in world.store.replays.latest(limit=9)] == [
        each.id for each in reversed(made)
    ]
    world.run(made[1])
    assert [e.id for e in world.store.replays.latest(limit=9, active=True)] in (
        [],
        [made[0].id],
    )
