from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest
from celery.bootsteps import CLOSE, RUN
from celery.worker import state

from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import BrokerUnavailable
from syncpipe.pipeline import WorkerOptions
from syncpipe.testing.clock import FakeClock
from workers import watch
from workers.watch import View, Watch, Workplace

TIMEOUT_S = 15.0
LOOK_S = 3.0
LANE = "sp.crm.0.normal"


class Process:
    """A process that is well and has nothing to do, unless told otherwise."""

    def __init__(self):
        self.turns = True
        self.ending = False
        self.away = False
        self.taken = 0
        self.connections = 1
        self.open = frozenset({LANE})
        self.depths = {LANE: 0}
        self.asked = 0
        self.pending = []

    def call_soon(self, action):
        self.pending.append(action)

    def turn(self):
        pending, self.pending = self.pending, []
        for action in pending:
            action()

    def view(self):
        return View(self.taken, self.open)

    def waiting(self, queues):
        self.asked += 1
        if self.away:
            raise BrokerUnavailable("away")
        return sum(self.depths[queue] for queue in queues)


class Bench:
    """A process that is watched."""

    def __init__(self):
        self.clock = FakeClock()
        self.process = Process()
        self.reasons = []
        self.watch = Watch(
            self.process,
            timeout_s=TIMEOUT_S,
            monotonic=self.clock.monotonic,
            end=self.reasons.append,
        )

    def run(self, seconds, *, take=0, look_s=LOOK_S):
        """Let *seconds* pass, in each look of which *take* messages are taken."""
        for _ in range(round(seconds / look_s)):
            self.process.taken += take
            if self.process.turns:
                self.process.turn()
            self.watch.look()
            self.clock.advance(look_s)
        return self.reasons

    def begin(self):
        assert self.run(6) == []
        return self


@pytest.fixture
def bench():
    return Bench().begin()


def test_one_that_has_nothing_to_do_is_well(bench):
    assert bench.run(600) == []


def test_one_that_takes_what_waits_is_well_and_asks_nothing(bench):
    bench.process.depths[LANE] = 1_000_000
    bench.run(LOOK_S, take=1)
    asked = bench.process.asked
    assert bench.run(600, take=1) == []
    assert bench.process.asked == asked


def test_one_that_takes_nothing_of_what_waits_has_stalled(bench):
    bench.process.depths[LANE] = 7
    assert bench.run(12) == []
    assert bench.run(LOOK_S)[0] == "messages wait (7), and none was taken for 15 s"


def test_one_message_taken_ends_the_silence(bench):
    bench.process.depths[LANE] = 7
    for _ in range(10):
        assert bench.run(12) == []
        bench.run(LOOK_S, take=1)
    assert bench.reasons == []


def test_what_waits_where_there_is_no_room_or_no_claim_is_no_stall(bench):
    bench.process.depths["sp.erp.0.normal"] = 7
    assert bench.run(600) == []
    bench.process.depths[LANE] = 7
    bench.process.open = frozenset()
    assert bench.run(600) == []


def test_a_loop_that_hangs_has_stalled(bench):
    bench.process.turns = False
    assert bench.run(12) == []
    assert bench.run(LOOK_S)[0] == "the event loop has not turned for 15 s"


def test_a_loop_that_is_slow_has_not(bench):
    for _ in range(20):
        bench.process.turns = False
        assert bench.run(12) == []
        bench.process.turns = True
        assert bench.run(LOOK_S) == []


def test_while_the_broker_is_away_nothing_counts(bench):
    bench.process.depths[LANE] = 7
    bench.process.away, bench.process.turns = True, False
    assert bench.run(600) == []
    assert len(bench.process.pending) <= 1
    bench.process.away = False
    assert bench.run(12) == []
    bench.process.turns = True
    assert bench.run(12) == []


def test_one_that_tries_to_connect_again_and_again_has_not_stalled(bench):
    bench.process.depths[LANE] = 7
    bench.process.turns = False
    for _ in range(20):
        bench.process.connections += 1
        assert bench.run(12) == []
    assert bench.run(6) != []


def test_after_the_broker_is_back_it_counts_again(bench):
    bench.process.away = True
    bench.run(60)
    bench.process.away, bench.process.turns = False, False
    assert bench.run(21)


def test_a_process_may_start_slowly_but_not_for_ever():
    bench = Bench()
    bench.process.turns = False
    bench.process.depths[LANE] = 7
    assert bench.run(60) == []
    assert bench.run(6) != []


def test_a_process_that_is_told_to_end_is_left_alone(bench):
    bench.process.depths[LANE] = 7
    bench.process.ending, bench.process.turns = True, False
    asked = bench.process.asked
    assert bench.run(600) == []
    assert bench.process.asked == asked


@pytest.mark.parametrize("hangs", [True, False])
def test_a_machine_that_was_suspended_ends_nobody(bench, hangs):
    bench.process.depths[LANE] = 7
    bench.process.turns = not hangs
    bench.run(6)
    bench.clock.advance(8 * 3600)
    assert bench.run(LOOK_S) == []
    bench.process.turns = True
    bench.run(LOOK_S, take=1)
    assert bench.run(LOOK_S) == []


def test_a_watch_that_is_late_each_time_needs_several_looks(bench):
    bench.process.turns = False
    bench.run(600, look_s=300)
    assert bench.reasons == []
    assert bench.run(600, look_s=300) != []


def test_a_tick_that_was_lost_is_asked_for_again(bench):
    bench.process.pending.clear()
    bench.run(6)
    assert bench.run(60) == []


class Station:
    """What a worker process holds, as far as it is looked at."""

    def __init__(self, wanted, depths):
        self.options = WorkerOptions(prefetch=4, queue_prefetch=3)
        self.subscriptions = SimpleNamespace(wanted=wanted)
        self.broker = SimpleNamespace(ready=self._count)
        self.full = False
        self._ready = depths

    def announce(self):
        if self.full:
            raise BrokerUnavailable("full")

    def _count(self, queues):
        assert queues, "else nobody would be asked"
        return sum(self._ready.get(name, 0) for name in queues)


class Place:
    """A Celery worker on a station."""

    def __init__(self, wanted=(LANE,), depths=()):
        self.station = Station(set(wanted), dict(depths))
        blueprint = SimpleNamespace(state=RUN)
        self.batcher = SimpleNamespace(taken=9, in_hand=Counter())
        self.consumer = SimpleNamespace(blueprint=blueprint, batcher=self.batcher, restart_count=1)
        self.workplace = Workplace(self)


def test_lanes_are_seen_by_their_own_names_as_long_as_there_is_room():
    place = Place(wanted=[f"{LANE}.v1", "sp.crm.1.low.v1"])
    assert place.workplace.view() == View(9, frozenset({LANE, "sp.crm.1.low"}))
    place.batcher.in_hand[LANE] = 3
    assert place.workplace.view().open == {"sp.crm.1.low"}
    place.batcher.in_hand["sp.crm.7.low"] = 1
    assert place.workplace.view().open == frozenset()


def test_dead_letters_may_wait():
    place = Place(wanted=[f"{LANE}.v1", f"{DEAD_QUEUE}.v1"])
    assert place.workplace.view().open == {LANE}


def test_before_the_first_connection_there_is_nothing_to_see():
    place = Place()
    place.consumer.batcher = None
    assert place.workplace.view() == View(0, frozenset())


def test_connections_are_counted():
    place = Place()
    place.consumer.restart_count = 3
    assert place.workplace.connections == 3


def test_only_what_nobody_has_taken_waits():
    place = Place(depths={LANE: 2, DEAD_QUEUE: 100})
    assert place.workplace.waiting([LANE]) == 2
    assert place.workplace.waiting([]) == 0


def test_a_broker_that_takes_nothing_is_away():
    place = Place(depths={LANE: 2})
    place.station.full = True
    with pytest.raises(BrokerUnavailable):
        place.workplace.waiting([LANE])


@pytest.mark.parametrize("name", ["should_stop", "should_terminate"])
@pytest.mark.parametrize("status", [0, 1])
def test_a_signal_ends_the_watch(monkeypatch, name, status):
    place = Place()
    assert not place.workplace.ending
    monkeypatch.setattr(state, name, status)
    # An exit status of 0 is an order to end, like any other.
    assert place.workplace.ending


def test_a_process_that_drains_is_ending():
    place = Place()
    place.consumer.blueprint.state = CLOSE
    assert place.workplace.ending


def test_the_end_does_not_wait_for_a_log_that_hangs(monkeypatch):
    statuses = []
    monkeypatch.setattr(watch.os, "_exit", statuses.append)
    monkeypatch.setattr(watch, "_LAST_WORDS_S", 0.01)
    silence = watch.threading.Event()
    watch._end(SimpleNamespace(complain=lambda *_, **__: silence.wait(60)), "reason")
    silence.set()
    assert statuses == [75]
