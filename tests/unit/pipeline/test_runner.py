from __future__ import annotations

import gc
import itertools
import threading
from dataclasses import dataclass, field

import pytest
import structlog

from syncpipe.core.codec import encode
from syncpipe.core.deadletter import decode_dead
from syncpipe.core.envelope import without_dictionaries
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome, Result
from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetMisconfigured,
    TargetUnavailable,
    TooLate,
)
from syncpipe.pipeline import BatchLog, Done, Later, Message, Pipeline, WorkerOptions
from syncpipe.pipeline.batch import Batch
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom
from syncpipe.testing.replays import MemoryOutcomes
from syncpipe.testing.schedule import MemorySchedule
from syncpipe.testing.target import MemoryTarget
from tests.unit.pipeline.envelopes import COLLECTIONS, QUEUE, message, operation

AFTER_VERIFY = ["admit", "fold", "apply", "settle"]


class PickyTarget(MemoryTarget):
    """Refuses operations whose id is listed, and counts how often it is asked."""

    def __init__(self, clock):
        super().__init__("crm", clock=clock)
        self.refusals = {}
        self.calls = 0

    def apply(self, groups, *, now_ms):
        self.calls += 1
        for each in itertools.chain.from_iterable(group.operations for group in groups):
            if each.id in self.refusals:
                raise self.refusals[each.id]
        return super().apply(groups, now_ms=now_ms)


@dataclass
class Bench:
    """A pipeline between a broker and a target in memory."""

    options: WorkerOptions = field(default_factory=WorkerOptions)
    stored: bool = False
    outcomes: MemoryOutcomes = field(default_factory=MemoryOutcomes)
    find: object = without_dictionaries

    def __post_init__(self):
        self.clock = FakeClock()
        self.schedule = MemorySchedule(self.clock) if self.stored else None
        self.broker = MemoryBroker(self.clock)
        self.target = PickyTarget(self.clock)
        self.lines = []
        logger = structlog.wrap_logger(None, [self._write])
        self.pipeline = Pipeline(
            target=self.target,
            collections=COLLECTIONS,
            broker=self.broker,
            clock=self.clock,
            random=SeededRandom(),
            options=self.options,
            log=BatchLog(logger, "crm", "w1"),
            schedule=self.schedule,
            outcomes=self.outcomes,
            find=self.find,
        )

    def _write(self, _logger, _method, event):
        self.lines.append(event)
        raise structlog.DropEvent

    def run(self, *messages):
        return self.pipeline.run(messages)

    def dead(self):
        return [decode_dead(each) for each in self.broker.peek(DEAD_QUEUE, limit=10_000)]

    def events(self):
        return [line["event"] for line in self.lines]


@pytest.fixture
def bench():
    return Bench()


def test_what_is_applied_is_done(bench):
    report = bench.run(message(operation("a", version=1), operation("b")), message(operation("c")))
    assert report.verdicts == (Done(), Done())
    assert report.counts == {Outcome.APPLIED: 3}
    assert bench.target.keys("orders") == ["a", "b", "c"]


def test_a_copy_in_the_same_batch_is_a_duplicate_and_done(bench):
    each = message(operation("a"))
    report = bench.run(each, each)
    assert report.verdicts == (Done(), Done())
    assert report.counts == {Outcome.APPLIED: 1, Outcome.DUPLICATE: 1}


def test_a_copy_is_not_done_before_its_first_copy(bench):
    each = message(operation("a"))
    bench.target.fail(TargetUnavailable("down"))
    report = bench.run(each, each)
    assert all(isinstance(verdict, Later) for verdict in report.verdicts)


def test_an_unreadable_message_becomes_a_dead_letter_with_its_raw_bytes(bench):
    report = bench.run(Message(QUEUE, "m", b"garbage"), message(operation("a")))
    assert report.verdicts == (Done(), Done())
    assert report.counts == {Outcome.DEAD: 1, Outcome.APPLIED: 1}
    (letter,) = bench.dead()
    assert (letter.raw, letter.queue, letter.stage) == (b"garbage", QUEUE, "decode")
    assert (letter.code, letter.worker, letter.operation_id) == ("SP-E301", "w1", None)


def test_garbage_needs_no_target(bench):
    bench.target.now_ms = None
    assert bench.run(Message(QUEUE, "m", b"garbage")).verdicts == (Done(),)


@pytest.mark.parametrize("number", [1, 2, 40])
@pytest.mark.parametrize("bad", [0, 17, 39])
def test_one_refused_operation_harms_only_itself(bench, number, bad):
    operations = [operation(f"k{i}") for i in range(number)]
    culprit = operations[min(bad, number - 1)]
    bench.target.refusals[culprit.id] = Refused("no", sqlstate="23514", constraint="positive")
    report = bench.run(message(*operations))
    assert report.verdicts == (Done(),)
    assert report.counts.get(Outcome.APPLIED, 0) == number - 1
    (letter,) = bench.dead()
    assert (letter.raw, letter.key) == (encode(culprit), culprit.key)
    assert (letter.stage, letter.code) == ("apply", "SP-E511")
    assert (letter.sqlstate, letter.constraint) == ("23514", "positive")


def test_finding_one_culprit_takes_a_logarithm_of_tries(bench):
    operations = [operation(f"k{i}") for i in range(1024)]
    bench.target.refusals[operations[700].id] = Refused("no")
    bench.run(message(*operations))
    assert bench.target.calls <= 1 + 2 * 10


def test_where_most_are_refused_each_is_tried_alone(bench):
    operations = [operation(f"k{i}") for i in range(256)]
    bench.target.refusals = {each.id: Refused("no") for each in operations[:200]}
    report = bench.run(message(*operations))
    assert report.counts == {Outcome.DEAD: 200, Outcome.APPLIED: 56}
    assert bench.target.calls < 256 * 1.5


def test_a_refused_record_is_unfolded_so_that_only_the_culprit_is_refused(bench):
    first, bad, last = (operation("a", Kind.PATCH, {f"f{v}": v}, version=v) for v in (1, 2, 3))
    bench.target.refusals[bad.id] = Refused("no")
    report = bench.run(message(first, bad, last))
    assert report.verdicts == (Done(),)
    assert bench.target.record("orders", "a") == {"f1": 1, "f3": 3}
    assert [letter.raw for letter in bench.dead()] == [encode(bad)]


def test_what_is_refused_for_now_comes_back_counted_and_alone(bench):
    bad, good = operation("a"), operation("b")
    bench.target.refusals[bad.id] = RefusedForNow("no parent yet")
    report = bench.run(message(bad, good), message(operation("c")))
    assert isinstance(report.verdicts[0], Later)
    assert report.verdicts[0].counted
    assert report.verdicts[1] == Done()
    assert report.counts == {Outcome.RETRYING: 1, Outcome.APPLIED: 2}
    assert bench.dead() == []
    assert report.outage is None


def test_pauses_between_attempts_grow_up_to_the_longest(bench):
    bad = operation("a")
    bench.target.refusals[bad.id] = RefusedForNow("no parent yet")
    for attempts in range(19):
        (verdict,) = bench.run(message(bad, attempts=attempts)).verdicts
        ceiling = min(60.0, 2.0**attempts)
        assert ceiling / 2 <= verdict.after_s <= ceiling


def test_after_the_last_attempt_it_is_a_dead_letter(bench):
    bad = operation("a")
    bench.target.refusals[bad.id] = RefusedForNow("no parent", sqlstate="23503")
    report = bench.run(message(bad, attempts=19))
    assert report.verdicts == (Done(),)
    assert [(letter.code, letter.sqlstate) for letter in bench.dead()] == [("SP-E510", "23503")]


def test_what_comes_after_the_horizon_is_a_dead_letter(bench):
    each = operation("a")
    bench.target.apply = lambda *_, **__: [Result(each, Outcome.TOO_LATE, TooLate("late"))]
    report = bench.run(message(each))
    assert report.counts == {Outcome.TOO_LATE: 1}
    assert [letter.code for letter in bench.dead()] == ["SP-E513"]


def test_no_verdict_is_done_before_the_dead_letter_is_confirmed(bench):
    bench.broker.fail(times=2)
    bad = operation("a")
    bench.target.refusals[bad.id] = Refused("no")
    messages = (message(bad, operation("b")), Message(QUEUE, "m", b"garbage"))
    report = bench.run(*messages)
    assert [isinstance(verdict, Later) for verdict in report.verdicts] == [True, True]
    assert not any(verdict.counted for verdict in report.verdicts)
    assert report.counts == {Outcome.RETRYING: 2, Outcome.APPLIED: 1}
    assert bench.run(*messages).verdicts == (Done(), Done())
    assert sorted(letter.code for letter in bench.dead()) == ["SP-E301", "SP-E511"]


@pytest.mark.parametrize("error", [TargetUnavailable("down"), TargetMisconfigured("no table")])
def test_an_outage_counts_no_attempt_and_leaves_no_dead_letter(bench, error):
    bench.target.fail(error, times=None)
    first = bench.run(message(operation("a"), attempts=9), message(operation("b")))
    assert all(isinstance(each, Later) and not each.counted for each in first.verdicts)
    assert (first.outage, first.took) == (error, False)
    assert first.counts == {Outcome.RETRYING: 2}
    assert bench.dead() == []


def test_a_target_that_cannot_tell_the_time_is_down(bench):
    def down():
        raise TargetUnavailable("down")

    bench.target.now_ms = down
    report = bench.run(message(operation("a")), Message(QUEUE, "m", b"garbage"))
    assert isinstance(report.verdicts[0], Later)
    assert report.verdicts[1] == Done()


def test_a_busy_target_is_tried_again_within_the_batch(bench):
    bench.target.fail(TargetBusy("deadlock"), times=3)
    report = bench.run(message(operation("a"), operation("b")))
    assert report.verdicts == (Done(),)
    assert bench.target.calls == 4


def test_a_record_that_stays_busy_is_left_for_later_and_harms_only_itself():
    bench = Bench(WorkerOptions(busy_timeout_s=0))
    operations = [operation(f"k{i}") for i in range(64)]
    bench.target.refusals[operations[40].id] = TargetBusy("locked")
    report = bench.run(message(*operations, attempts=9), message(operation("other")))
    assert report.verdicts[0] == Later(1.0, counted=False)
    assert report.verdicts[1] == Done()
    assert report.counts == {Outcome.APPLIED: 64, Outcome.RETRYING: 1}


def test_a_target_that_is_busy_everywhere_is_left_alone_after_a_few_tries():
    bench = Bench(WorkerOptions(busy_timeout_s=0))
    bench.target.fail(TargetBusy("locked"), times=None)
    report = bench.run(message(*(operation(f"k{i}") for i in range(500))))
    assert isinstance(report.verdicts[0], Later)
    assert isinstance(report.outage, TargetBusy)
    assert bench.target.calls <= 12


def test_stopping_ends_the_patience_with_a_busy_target(bench):
    bench.target.fail(TargetBusy("locked"), times=None)
    bench.pipeline.stop()
    report = bench.run(message(operation("a"), operation("b")))
    assert isinstance(report.verdicts[0], Later)
    assert bench.target.calls == 1


def test_an_error_nobody_expects_is_isolated_like_a_refusal(bench):
    operations = [operation(f"k{i}") for i in range(8)]
    bench.target.refusals[operations[5].id] = ValueError("a bug")
    report = bench.run(message(*operations), message(operation("z")))
    assert isinstance(report.verdicts[0], Later)
    assert report.verdicts[1] == Done()
    assert report.counts == {Outcome.APPLIED: 8, Outcome.RETRYING: 1}


@pytest.mark.parametrize("fault", [MemoryError(), SystemExit(3), KeyboardInterrupt()])
def test_nothing_ever_escapes(bench, fault):
    bench.target.refusals[(bad := operation("a")).id] = fault
    report = bench.run(message(bad), message(operation("b")))
    assert all(isinstance(each, Later) and not each.counted for each in report.verdicts)
    assert "batch-failed" in bench.events()


def test_the_line_of_a_batch_counts_and_measures_and_holds_no_payload(bench):
    bench.clock.advance(1.234)
    bench.run(message(operation("secret-key", data={"name": "secret-value"})))
    (line,) = bench.lines
    assert (line["event"], line["target"], line["worker"]) == ("batch", "crm", "w1")
    assert (line["envelopes"], line["operations"]) == (1, 1)
    assert line["outcomes"] == {"applied": 1}
    assert line["latency_ms"] == {1200: 1}
    assert line["committed_ms"] == START_MS + 1234
    assert list(line["ms"]) == ["decode", "clock", "verify", *AFTER_VERIFY]
    assert "secret" not in repr(line)


def test_a_fault_in_the_log_holds_no_payload(bench):
    bench.target.refusals[(bad := operation("a")).id] = MemoryError("secret-value")
    bench.run(message(bad))
    assert "secret" not in repr(bench.lines)


def test_several_threads_share_a_pipeline(bench):
    batches = [[message(operation(f"{n}-{i}")) for i in range(20)] for n in range(4)]
    reports = []
    threads = [
        threading.Thread(target=lambda batch=batch: reports.append(bench.run(*batch)))
        for batch in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(report.verdicts == (Done(),) * 20 for report in reports)
    assert len(bench.target.keys("orders")) == 80


@pytest.mark.parametrize("bad", [0, 7, 19])
def test_a_record_with_which_the_target_fails_stops_no_other(bench, bad):
    operations = [operation(f"k{i}") for i in range(20)]
    bench.target.refusals[operations[bad].id] = TargetMisconfigured("denied", sqlstate="42501")
    report = bench.run(message(*operations))
    assert report.counts == {Outcome.APPLIED: 19, Outcome.RETRYING: 1}
    assert (report.outage, report.verdicts[0].counted) == (None, True)


def test_dead_letters_are_stored_once_although_a_mate_is_tried_again(bench):
    refused, waiting = operation("a"), operation("b")
    bench.target.refusals = {refused.id: Refused("no"), waiting.id: RefusedForNow("not yet")}
    for _ in range(3):
        assert isinstance(bench.run(message(refused, waiting)).verdicts[0], Later)
    assert bench.dead() == []
    del bench.target.refusals[waiting.id]
    assert bench.run(message(refused, waiting)).verdicts == (Done(),)
    assert [letter.key for letter in bench.dead()] == ["a"]


def test_what_went_wrong_keeps_no_batch_alive(bench):
    """The collector looks so seldom that a batch in a circle would stay for very long."""
    dead, later = operation("a"), operation("b")
    bench.target.refusals = {dead.id: Refused("no"), later.id: RefusedForNow("no")}
    unknown = Operation(bytes(16), Kind.DELETE, "unknown", "k", 1, None)
    gc.collect()
    before = _batches()  # those that other tests keep
    gc.disable()
    try:
        bench.run(Message(QUEUE, "m", b"garbage"), message(dead, later, operation("c"), unknown))
        bench.target.fail(TargetUnavailable("down"))
        bench.run(message(operation("d")))
        assert {id(each) for each in _batches()} <= {id(each) for each in before}
    finally:
        gc.enable()


def _batches():
    """Return all that there are."""
    return [each for each in gc.get_objects() if isinstance(each, Batch)]
