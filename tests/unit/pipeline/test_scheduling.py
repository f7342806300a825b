"""What is to be tried later goes into the schedule, and its message is done."""

from __future__ import annotations

import threading

import pytest

from syncpipe.core.attempt import Attempt
from syncpipe.core.codec import encode
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import Priority
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    StoreUnavailable,
    TargetBusy,
    TargetUnavailable,
    TooSlow,
)
from syncpipe.pipeline import Done, Later, WorkerOptions
from syncpipe.pipeline.patience import Patience
from syncpipe.pipeline.scheduling import Scheduling
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom
from tests.unit.pipeline.envelopes import message, operation
from tests.unit.pipeline.test_runner import Bench

NOT_YET = RefusedForNow("no parent yet", sqlstate="23503")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def bench():
    return Bench(stored=True)


def due(bench, after_s):
    """What is due after so many seconds."""
    bench.clock.advance(after_s)
    lease = bench.schedule.lease(["crm"], limit=100, max_bytes=10**6, seconds=0)
    return list(lease.operations)


def count(bench):
    return sum(each.count for each in bench.schedule.outlook().values())


def test_what_is_not_due_goes_into_the_schedule_until_then(bench):
    early, now = operation("a", version=90_000, due=90_000), operation("b")
    report = bench.run(message(early, now, trace=TRACE))
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.RETRYING: 1, Outcome.APPLIED: 1}
    assert due(bench, 89.999) == []
    (found,) = due(bench, 0.001)
    assert (found.operation_id, found.raw) == (early.id, encode(early))
    assert (found.target, found.collection, found.key) == ("crm", "orders", "a")
    assert (found.priority, found.attempts, found.trace) == (Priority.NORMAL, (), TRACE)


@pytest.mark.parametrize("error", [NOT_YET, TooSlow("57014"), ValueError("a bug")])
def test_what_is_refused_for_now_goes_into_the_schedule_with_its_attempt(bench, error):
    bad, good = operation("a"), operation("b")
    bench.target.refusals[bad.id] = error
    bench.clock.advance(3)
    report = bench.run(message(bad, good), message(operation("c")))
    assert report.verdicts == (Done(), Done())
    assert report.counts == {Outcome.RETRYING: 1, Outcome.APPLIED: 2}
    assert due(bench, 0.499) == []
    (found,) = due(bench, 0.501)
    (attempt,) = found.attempts
    assert (attempt.at_ms, attempt.worker) == (START_MS + 3_000, "w1")
    assert attempt.code == (error.code if isinstance(error, RefusedForNow) else "SP-E510")
    assert str(error) in f"{error} {attempt.message}"


def test_attempts_add_up_and_pauses_grow_with_them(bench):
    bad = operation("a")
    bench.target.refusals[bad.id] = NOT_YET
    tried = tuple(Attempt(n, "w0", 7, "SP-E510", "no") for n in range(11))
    bench.run(message(bad, tried=tried))
    assert due(bench, 1023) == []
    (found,) = due(bench, 1026)
    assert found.attempts[:-1] == tried
    assert found.attempts[-1].worker == "w1"


def test_after_the_last_attempt_it_is_a_dead_letter_that_tells_of_all(bench):
    bad = operation("a")
    bench.target.refusals[bad.id] = NOT_YET
    tried = tuple(Attempt(n, "w0", 7, "SP-E515", "slow") for n in range(19))
    report = bench.run(message(bad, tried=tried, trace=TRACE))
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.DEAD: 1}
    (letter,) = bench.dead()
    assert letter.attempts[:-1] == tried
    assert letter.attempts[-1] == Attempt(START_MS, "w1", 0, "SP-E510", "no parent yet")
    assert (letter.trace, letter.sqlstate) == (TRACE, "23503")
    assert count(bench) == 0


def test_what_is_refused_for_good_tells_of_its_attempt_too_and_of_status_and_endpoint(bench):
    bad = operation("a")
    bench.target.refusals[bad.id] = Refused("no", status=422, endpoint="/batch")
    bench.run(message(bad))
    (letter,) = bench.dead()
    assert [attempt.code for attempt in letter.attempts] == ["SP-E511"]
    assert (letter.status, letter.endpoint) == (422, "/batch")


def test_what_was_never_tried_tells_of_no_attempt(bench):
    bench.run(message(operation("a", version=100_000)))
    (letter,) = bench.dead()
    assert (letter.stage, letter.attempts) == ("verify", ())


def test_what_expired_leaves_nothing_behind(bench):
    report = bench.run(message(operation("a", expires=0), operation("b")))
    assert report.verdicts == (Done(),)
    assert report.counts == {Outcome.EXPIRED: 1, Outcome.APPLIED: 1}
    assert (bench.dead(), count(bench)) == ([], 0)
    assert bench.lines[-1]["outcomes"] == {"expired": 1, "applied": 1}


def test_copies_are_scheduled_once_and_all_their_messages_are_done(bench):
    bad, early = operation("a"), operation("b", version=9_000, due=9_000)
    bench.target.refusals[bad.id] = NOT_YET
    each = message(bad, early)
    assert bench.run(each, each, message(operation("c"))).verdicts == (Done(),) * 3
    assert count(bench) == 2


def test_a_store_that_is_away_holds_only_what_needs_it_and_counts_nothing(bench):
    bad, early = operation("a"), operation("b", version=9_000, due=9_000)
    bench.target.refusals[bad.id] = NOT_YET
    bench.schedule.fail(StoreUnavailable("away"))
    messages = message(bad), message(early, operation("c")), message(operation("d")), message(bad)
    report = bench.run(*messages)
    held = Later(1.0, counted=False)
    assert report.verdicts == (held, held, Done(), held)
    assert report.outage is None

    bench.schedule.fail(None)
    bench.clock.advance(1)
    assert bench.run(*messages).verdicts == (Done(),) * 4
    assert [len(found.attempts) for found in due(bench, 10)] == [1, 0]
    events = [event for event in bench.events() if event != "batch"]
    assert events == ["store-away", "store-back"]


def test_dead_letters_wait_while_their_message_waits_for_the_store(bench):
    bad, dead = operation("a"), operation("b")
    bench.target.refusals = {bad.id: NOT_YET, dead.id: Refused("no")}
    bench.schedule.fail(StoreUnavailable("away"))
    assert bench.run(message(bad, dead)).counts == {Outcome.RETRYING: 2}
    assert bench.dead() == []
    bench.schedule.fail(None)
    bench.clock.advance(1)
    assert bench.run(message(bad, dead)).verdicts == (Done(),)
    assert [letter.key for letter in bench.dead()] == ["b"]


def test_a_dead_letter_that_is_not_stored_keeps_its_message_though_its_mate_is_scheduled(bench):
    bad, dead = operation("a"), operation("b")
    bench.target.refusals = {bad.id: NOT_YET, dead.id: Refused("no")}
    bench.broker.fail()
    (verdict,) = bench.run(message(bad, dead)).verdicts
    assert verdict == Later(1.0, counted=False)
    assert bench.run(message(bad, dead)).verdicts == (Done(),)
    (found,) = due(bench, 10)
    assert len(found.attempts) == 1


def test_nothing_is_scheduled_while_its_message_comes_again_anyway():
    bench = Bench(WorkerOptions(busy_timeout_s=0), stored=True)
    bad, busy, other = operation("a"), operation("b"), message(operation("c", version=5, due=5))
    bench.target.refusals = {bad.id: NOT_YET, busy.id: TargetBusy("locked")}
    both = message(bad, busy)
    held = Later(1.0, counted=False)
    assert bench.run(both, message(bad), other).verdicts == (held, held, Done())
    assert count(bench) == 1  # a copy of what waits waits with it

    del bench.target.refusals[busy.id]
    assert bench.run(both, message(bad)).verdicts == (Done(), Done())
    assert count(bench) == 2


def test_an_outage_schedules_and_counts_nothing(bench):
    bench.target.fail(TargetUnavailable("down"), times=None)
    report = bench.run(message(operation("a"), operation("b", version=9_000, due=9_000)))
    assert isinstance(report.verdicts[0], Later)
    assert count(bench) == 0


def test_without_a_store_delayed_operations_are_held_until_they_are_due():
    bench = Bench()
    early = operation("a", version=90_000, due=90_000)
    later = operation("b", version=95_000, due=95_000)
    (verdict,) = bench.run(message(later, early, operation("c"))).verdicts
    assert verdict == Later(90.0, counted=False)
    bench.clock.advance(90)
    (verdict,) = bench.run(message(later, early)).verdicts
    assert verdict == Later(5.0, counted=False)
    assert bench.target.keys("orders") == ["a", "c"]
    assert bench.events() == ["delayed-without-store", "batch", "batch"]


def test_without_a_store_a_refused_mate_of_a_delayed_operation_is_tried_at_its_own_time():
    bench = Bench()
    bad, early = operation("a"), operation("b", version=90_000, due=90_000)
    bench.target.refusals[bad.id] = NOT_YET
    (verdict,) = bench.run(message(bad, early)).verdicts
    assert 0.5 <= verdict.after_s <= 1
    assert verdict.counted


def test_latency_counts_from_the_due_time(bench):
    each = operation("a", version=60_000, due=60_000)
    bench.clock.advance(60.25)
    assert bench.run(message(each)).latency_ms == {250: 1}


class Slow:
    """A store that answers when it is let."""

    def __init__(self):
        self.asked = threading.Semaphore(0)
        self.answer = threading.Semaphore(0)
        self.fails = True
        self.calls = 0

    def put(self, _entries):
        self.calls += 1
        self.asked.release()
        self.answer.acquire()
        if self.fails:
            raise StoreUnavailable("away")


class Quiet:
    """A log that counts."""

    def __init__(self):
        self.said = []

    def store_away(self, _error):
        self.said.append("away")

    def store_back(self):
        self.said.append("back")


def test_one_thread_at_a_time_asks_a_store_that_is_away():
    store, clock, log = Slow(), FakeClock(), Quiet()
    scheduling = Scheduling(store, Patience(clock=clock, random=SeededRandom(), log=log))
    store.answer.release()
    assert scheduling.keep([])
    assert scheduling.keep([])  # not asked: it was away a moment ago
    assert store.calls == 1

    clock.advance(1)
    thread = threading.Thread(target=scheduling.keep, args=([],))
    thread.start()
    assert store.asked.acquire(timeout=30)
    assert store.asked.acquire(timeout=30)
    assert scheduling.keep([])  # while another thread asks
    assert store.calls == 2
    store.fails = False
    store.answer.release()
    thread.join()

    store.answer.release()
    assert scheduling.keep([]) is None
    assert log.said == ["away", "back"]
