from __future__ import annotations

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.errors import NotAnEnvelope
from syncpipe.pipeline import Later
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import DOWN, HASTY, Bench
from tests.unit.workers.deliveries import Delivery, delivery
from workers.batcher import Batcher


@pytest.fixture
def bench():
    return Bench("crm")


def test_messages_that_come_together_are_one_batch_and_acknowledged_when_done(bench):
    each = [delivery(operation()) for _ in range(3)]
    bench.give(*each)
    assert bench.consumer.jobs == []
    bench.linger()
    assert [one.fate for one in each] == [None] * 3
    bench.consumer.work()
    assert len(bench.pipelines["crm"].batches) == 1
    assert [one.fate for one in each] == ["acknowledged"] * 3


def test_a_full_batch_does_not_linger():
    bench = Bench("crm", batch_max_ops=2)
    bench.give(delivery(operation()), delivery(operation()))
    assert len(bench.consumer.jobs) == 1


def test_a_message_that_changes_nothing_asks_nothing(bench, monkeypatch):
    asked = []
    due = bench.batcher._due
    monkeypatch.setattr(bench.batcher, "_due", lambda name: asked.append(name) or due(name))
    bench.give(*[delivery(operation()) for _ in range(3)])
    assert asked == ["crm"]
    bench.linger()
    assert [len(args[1]) for _, args, _ in bench.consumer.jobs] == [3]


def test_what_comes_while_a_batch_is_applied_waits_a_moment_to_go_together():
    bench = Bench("crm", threads=4, batch_max_ops=9)
    bench.give(delivery(operation()))
    bench.linger()
    bench.give(delivery(operation()), delivery(operation()))
    bench.advance(0.015)
    assert len(bench.consumer.jobs) == 1
    bench.consumer.work()
    assert [len(args[1]) for _, args, _ in bench.consumer.jobs] == [2]


def test_a_batch_begins_beside_one_that_does_not_end():
    bench = Bench("crm", threads=4, batch_max_ops=9)
    bench.give(delivery(operation()))
    bench.linger()
    bench.give(delivery(operation()))
    bench.advance(0.03)
    assert len(bench.consumer.jobs) == 2


def test_a_full_batch_waits_for_no_other():
    bench = Bench("crm", threads=4, batch_max_ops=2)
    bench.give(delivery(operation()))
    bench.linger()
    bench.give(delivery(operation()), delivery(operation()))
    assert len(bench.consumer.jobs) == 2


def test_no_more_batches_than_threads_run_at_once():
    bench = Bench("crm", threads=2, batch_max_ops=1)
    bench.give(*(delivery(operation()) for _ in range(5)))
    assert (len(bench.consumer.jobs), bench.batcher.running, bench.batcher.held) == (2, 2, 3)
    bench.consumer.work()
    assert (len(bench.consumer.jobs), bench.batcher.held) == (2, 2)


def test_batches_at_once_unpack_to_no_more_than_twice_what_one_may():
    bench = Bench("crm", threads=4, batch_max_bytes=10_000)
    wide = operation(data={"text": "x" * 6_000})
    bench.give(*(delivery(wide) for _ in range(4)))
    bench.linger()
    assert (len(bench.consumer.jobs), bench.batcher.held) == (2, 2)
    bench.consumer.work()
    assert (len(bench.consumer.jobs), bench.batcher.held) == (2, 1)


def test_a_call_of_wide_records_holds_fewer_of_them(bench):
    bench.give(*(delivery(operation(data={"text": "x" * 100_000})) for _ in range(20)))
    bench.linger()
    bench.work()
    assert bench.pipelines["crm"].together == [9]


def test_of_several_targets_each_gets_at_most_half_of_the_threads():
    bench = Bench("crm", "erp", threads=4, batch_max_ops=1)
    bench.give(*(delivery(operation()) for _ in range(5)))
    assert len(bench.consumer.jobs) == 2
    bench.give(*(delivery(operation(), target="erp") for _ in range(5)))
    assert len(bench.consumer.jobs) == 4


def test_there_is_one_timer_at_a_time_however_many_batches_there_are():
    bench = Bench("crm", "erp", threads=4, prefetch=8, batch_max_ops=2)
    for _ in range(20):
        bench.give(*(delivery(operation()) for _ in range(7)))
        assert len(bench.consumer.alarms) == 1  # crm is in the way of erp
        bench.consumer.work()
        bench.consumer.work()
        bench.give(delivery(operation(), target="erp"))  # may wait for company
        assert len(bench.consumer.alarms) == 1
        bench.linger()
        bench.work()


def test_a_counted_retry_waits_unacknowledged_and_comes_back_with_its_attempt(bench):
    bench.pipelines["crm"].answers = [(Later(0.5, counted=True), None)]
    each = delivery(operation())
    bench.give(each)
    bench.linger()
    bench.consumer.work()
    assert (each.fate, bench.consumer.jobs, bench.consumer.extra) == (None, [], 1)
    bench.advance(0.5)
    bench.consumer.work()
    assert each.fate == "acknowledged"
    attempts = [batch[0].attempts for batch in bench.pipelines["crm"].batches]
    assert (attempts, bench.consumer.extra) == ([0, 1], 0)


def test_waiting_retries_make_room_for_as_many_again_as_are_prefetched():
    bench = Bench("crm", prefetch=2, batch_max_ops=9)
    bench.pipelines["crm"].answers = [(Later(9, counted=True), None)]
    bench.give(*(delivery(operation()) for _ in range(9)))
    bench.consumer.work()
    assert bench.consumer.extra == 2


def test_what_celery_would_drop_reaches_a_pipeline_with_its_fault(bench):
    fault = NotAnEnvelope("no task")
    each = Delivery(b"raw", queue="celery")
    bench.batcher.add(each, fault)
    bench.linger()
    bench.consumer.work()
    ((message,),) = bench.pipelines["crm"].batches
    assert (message.body, message.fault, each.fate) == (b"raw", fault, "acknowledged")


def test_draining_finishes_what_runs_and_starts_nothing_more():
    bench = Bench("crm", threads=1, batch_max_ops=1)
    running, waiting = delivery(operation()), delivery(operation())
    bench.give(running, waiting)
    target, args, callback = bench.consumer.jobs.pop()
    callback(target(*args))
    assert bench.batcher.drain(60, cancelled=lambda: False) == 0
    assert (running.fate, waiting.fate, bench.batcher.held) == ("acknowledged", None, 1)
    bench.consumer.turn()
    assert bench.consumer.jobs == []


def test_draining_ends_when_somebody_is_in_a_hurry():
    bench = Bench("crm", batch_max_ops=1)
    bench.give(delivery(operation()))
    assert bench.batcher.drain(60, cancelled=lambda: True) == 1


def test_every_batch_is_counted_when_it_begins_and_when_it_ends(bench):
    bench.give(delivery(operation()))
    bench.linger()
    assert (bench.begun, bench.reports) == (1, [])
    bench.consumer.work()
    (report,) = bench.reports
    assert len(report.verdicts) == 1
    assert Outcome.DEAD not in report.counts


def test_where_each_queue_has_its_own_prefetch_it_stays_what_it_is():
    bench = Bench("crm", url="amqp://", batch_max_ops=9)
    bench.pipelines["crm"].answers = [(Later(9, counted=True), None)]
    bench.give(*(delivery(operation()) for _ in range(9)))
    bench.consumer.work()
    assert bench.consumer.extra == 0


def test_what_waits_at_the_end_goes_back_at_once():
    bench = Bench("crm", threads=1, batch_max_ops=1)
    running, waiting = delivery(operation()), delivery(operation())
    bench.give(running, waiting)
    assert bench.batcher.give_back() == 1
    bench.consumer.work()
    assert (running.fate, waiting.fate) == ("acknowledged", "returned")
    assert bench.consumer.jobs == []


def test_after_a_lost_connection_what_waited_is_forgotten_and_starts_nowhere():
    bench = Bench("crm", threads=1, batch_max_ops=1)
    each = [delivery(operation()) for _ in range(3)]
    bench.give(*each)
    old = bench.batcher
    bench.connect()
    bench.consumer.work()
    bench.advance(9)
    assert (old.held, old.running, bench.consumer.jobs) == (0, 0, [])
    assert [one.fate for one in each] == ["acknowledged", None, None]


def test_a_batch_that_ends_after_its_connection_is_counted_and_moves_nothing():
    bench = Bench("crm", batch_max_ops=9)
    bench.pipelines["crm"].answers = [(Later(9, counted=True), None)]
    each = [delivery(operation()) for _ in range(9)]
    bench.give(*each)
    bench.connect()
    bench.consumer.work()
    assert (len(bench.reports), bench.consumer.extra, bench.channel.cancelled) == (1, 0, [])
    assert [one.fate for one in each] == [None] * 9
    assert bench.batcher.held == 0


def test_an_acknowledgement_that_the_broker_no_longer_understands_is_dropped():
    bench = Bench("crm", batch_max_ops=2)
    each = [delivery(operation()), delivery(operation())]
    each[0].ack = fail = _Failing()
    bench.give(*each)
    bench.connect()
    bench.consumer.work()
    assert (fail.calls, each[1].fate) == (1, None)


class _Failing:
    calls = 0

    def __call__(self):
        self.calls += 1
        raise ConnectionResetError


def test_what_is_taken_and_what_is_in_hand_is_told():
    """What waits to be tried again is in hand; what was returned or acknowledged is not.

    It counts for the queue that it came from, whatever its routing key.
    """
    bench = Bench("crm", guard=HASTY)
    bench.pipelines["crm"].answers = [
        (Later(0.5, counted=True), None),
        (Later(1.0, counted=False), DOWN),
    ]
    queue, foreign = "sp.crm.0.normal", delivery(operation())
    foreign.delivery_info = {"routing_key": "orders.created", "consumer_tag": "crm's"}
    bench.give(foreign, *(delivery(operation()) for _ in range(6)))
    assert (bench.batcher.taken, bench.batcher.in_hand[queue]) == (7, 7)
    bench.linger()
    bench.consumer.work()
    assert bench.batcher.in_hand[queue] == 7
    bench.advance(0.5)
    bench.consumer.work()
    assert (bench.batcher.taken, bench.batcher.in_hand.total()) == (7, 0)
    assert Batcher(bench.consumer, bench, bench.batcher).taken == 7
