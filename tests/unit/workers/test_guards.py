"""What a process tells the fleet of targets, what it makes of what it hears, and who probes."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State, digest
from syncpipe.store.pauses import Pause
from syncpipe.transport.broker import WorkerInfo
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import DOWN, HASTY, Bench
from tests.unit.workers.deliveries import delivery


@pytest.fixture
def bench():
    return Bench("crm", "erp", guard=HASTY)


def pause(hold=Hold.OPEN, target="crm", since_ms=900):
    return Pause(target, hold, "ada@h", "maintenance", since_ms)


def peer(name="other@h", **counters):
    said = {name.replace("__", ":"): count for name, count in counters.items()}
    return WorkerInfo(name, 5, "h", 0, 0, said)


def heed(bench):
    """What the event loop does when there are news."""
    if news := bench.guards.news():
        bench.guards.heed()
        bench.batcher.pump()
        bench.work()
    return news


def test_what_people_pause_is_not_claimed_and_what_waits_goes_back(bench):
    each = delivery(operation())
    bench.give(each)
    bench.guards.wanted({"crm": pause(), "nobody": pause(target="nobody")})
    with capture_logs() as lines:
        assert heed(bench)
        assert not heed(bench)
    assert each.fate == "returned"
    assert bench.channel.names == ["sp.erp.0.normal"]
    (line,) = lines
    assert (line["event"], line["by"], line["reason"]) == ("target-paused", "ada@h", "maintenance")
    bench.advance(3600)
    assert (bench.pipelines["crm"].pings, bench.consumer.jobs) == (0, [])


def test_why_a_target_is_left_alone_is_told():
    bench = Bench("crm", guard=HASTY)
    assert (bench.guards.why("crm"), bench.guards.why("nobody")) == ("", "")
    bench.guards.wanted({"crm": pause()})
    assert bench.guards.why("crm") == "paused by ada@h"
    bench.guards.wanted({})
    heard = Register(4, State.OPEN, 1, 700, 5, 501, digest("other@h"))
    bench.guards.heard([peer(breaker__crm=heard.pack())])
    bench.guards.heed()
    assert bench.guards.why("crm") == "its breaker is open"


def test_what_has_begun_is_finished_and_what_is_resumed_begins_with_a_little():
    bench = Bench("crm", threads=4, batch_max_ops=1)
    running = delivery(operation())
    bench.give(running)
    bench.guards.wanted({"crm": pause()})
    heed(bench)
    assert running.fate == "acknowledged"
    bench.guards.wanted({"crm": pause(Hold.NONE)})
    with capture_logs() as lines:
        heed(bench)
    assert [line["event"] for line in lines] == ["target-resumed"]
    assert bench.channel.names == ["sp.crm.0.normal"]
    bench.give(*(delivery(operation()) for _ in range(9)))
    assert bench.batcher.running == 1


def test_what_people_keep_closed_is_called_whatever_fails(bench):
    bench.guards.wanted({"crm": pause(Hold.CLOSED)})
    heed(bench)
    for _ in range(9):
        call = bench.guards["crm"].begin()
        bench.guards["crm"].failed(call, RuntimeError())
    assert bench.guards["crm"].state is State.CLOSED


def test_whoever_never_reached_the_store_does_what_others_were_told(bench):
    bench.guards.heard([peer(pause__crm=Hold.OPEN.pack(900)), peer("late@h")])
    assert heed(bench)
    assert bench.guards["crm"].hold is Hold.OPEN
    assert bench.guards.counters()["pause:crm"] == Hold.OPEN.pack(900)
    bench.guards.heard([peer(pause__crm=Hold.NONE.pack(950))])
    assert heed(bench)
    assert bench.guards["crm"].hold is Hold.NONE


def test_the_store_itself_is_believed_more_than_others(bench):
    bench.guards.wanted({})
    bench.guards.heard([peer(pause__crm=Hold.OPEN.pack(900))])
    assert not heed(bench)
    assert "pause:crm" not in bench.guards.counters()


def test_what_others_found_is_told_with_who_it_was(bench):
    register = Register(4, State.OPEN, 1, 700, 5, 501, digest("other@h"))
    bench.guards.heard([peer(breaker__crm=register.pack()), peer("w@h", breaker__crm=-1)])
    with capture_logs() as lines:
        assert heed(bench)
    (line,) = lines
    assert (line["event"], line["heard_from"], line["error"]) == ("target-paused", "other@h", None)
    assert (line["code"], line["next_s"]) == ("SP-E501", 0.7)
    assert bench.guards.counters()["breaker:crm"] == register.pack()


def test_while_a_target_is_not_well_there_are_news_once_at_a_time(bench):
    assert not bench.guards.news()
    bench.guards.heard([peer(breaker__crm=Register(4, State.OPEN, 1, 700).pack())])
    assert bench.guards.news()
    assert not bench.guards.news()
    bench.guards.heed()
    assert bench.guards.news()


def test_each_failure_lets_the_owner_of_another_lane_probe():
    crew = {name: Bench("crm") for name in ("a@h", "b@h", "c@h")}
    queues = {f"sp.crm.{shard}.normal": "crm" for shard in range(4)}
    for name, bench in crew.items():
        bench.assignment.__init__(name, queues)
        bench.assignment.look(crew)
        bench.guards._shards = 4
        bench.guards.told(present=True)
        bench.guards.heard([])
    probers = []
    for failures in range(1, 9):
        for bench in crew.values():
            bench.guards["crm"].register = Register(failures, State.OPEN, failures)
        leading = [name for name, bench in crew.items() if bench.guards.leads("crm")]
        assert len(leading) == 1
        probers += leading
    assert set(probers) == set(crew)
    assert probers[:4] == probers[4:]


def test_who_hears_nothing_or_cannot_tell_probes_for_itself(bench):
    guards = bench.guards
    bench.assignment.look([f"r{number}@h" for number in range(30)])
    assert guards.leads("crm"), "nobody was ever heard"
    guards.heard([])
    assert not guards.leads("crm"), "others do not know of it yet"
    guards.told(present=True)
    assert not guards.leads("crm")
    guards.told(present=False, mute=True)
    assert guards.leads("crm"), "others cannot be told"
    guards.told(present=True)
    bench.clock.advance(3)
    assert guards.leads("crm"), "others have not been heard for long"


def test_what_failed_is_held_for_longer_with_each_failure_in_a_row():
    guards = Bench("crm").guards
    pauses = []
    for _ in range(4):
        guards["crm"].failed(guards["crm"].begin(), DOWN)
        pauses.append(guards.patience_s("crm"))
    assert 0.05 <= pauses[0] <= 0.1
    assert 0.4 <= pauses[3] <= 0.8
