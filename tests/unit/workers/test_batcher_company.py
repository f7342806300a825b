"""A message that a target never takes, and what is tried together with it."""

from __future__ import annotations

import pytest

from syncpipe.errors import TargetBusy, TargetThrottled
from syncpipe.pipeline import Done, Later, Report
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import DOWN, HASTY, Bench
from tests.unit.workers.deliveries import delivery

LATER = Later(1.0, counted=False)


def fail(bench, error):
    bench.pipelines["crm"].answers.append((LATER, error))


@pytest.mark.parametrize("error", [TargetThrottled("slowly", retry_after_s=2), DOWN])
def test_what_comes_meanwhile_shares_a_batch_with_what_was_not_taken(error):
    bench = Bench("crm", threads=4)
    first, other = delivery(operation()), delivery(operation())
    fail(bench, error)
    bench.give(first)
    bench.linger()
    bench.work()
    bench.clock.advance(5)
    bench.give(other)
    bench.work()
    assert [len(batch) for batch in bench.pipelines["crm"].batches] == [1, 2]


@pytest.mark.parametrize("error", [TargetThrottled("slowly", retry_after_s=1), DOWN])
@pytest.mark.parametrize("guard", [None, HASTY])
def test_a_message_that_a_target_takes_for_an_outage_when_alone_keeps_nobody_from_their_turn(
    error, guard
):
    bench = Bench("crm", guard=guard, threads=4)
    bad = delivery(operation("bad"))
    pipeline, counted = bench.pipelines["crm"], []

    def run(messages, *_):
        if not any(each.body == bad.body for each in messages):
            return Report((Done(),) * len(messages), {}, {}, None, {}, None, asked=True)
        if len(messages) == 1:
            return Report((LATER,), {}, {}, None, {}, error, asked=True)
        counted.append(messages)
        verdicts = tuple(
            Later(1.0, counted=True) if each.body == bad.body else Done() for each in messages
        )
        return Report(verdicts, {}, {}, None, {}, None, asked=True)

    pipeline.run = run
    sent = [bad]
    bench.give(bad)
    bench.linger()
    bench.work()
    for _ in range(60):
        sent.append(delivery(operation()))
        sent[-1].fate = "returned"
        if bench.guards["crm"].claims:
            for each in sent:
                if each.fate == "returned":
                    each.fate = None
                    bench.give(each)
        bench.advance(0.5)
        bench.work()
    assert counted
    assert [each.fate for each in sent].count("acknowledged") > 50


def test_what_a_busy_target_did_not_take_is_tried_apart():
    bench = Bench("crm", threads=4)
    first, other = delivery(operation()), delivery(operation())
    fail(bench, TargetBusy("locked"))
    bench.give(first)
    bench.linger()
    bench.work()
    bench.clock.advance(5)
    bench.give(other)
    bench.work()
    bench.pace()
    bench.work()
    assert [len(batch) for batch in bench.pipelines["crm"].batches] == [1, 1, 1]


def test_what_is_not_full_begins_a_moment_after_the_one_before():
    bench = Bench("crm", threads=4, batch_linger_ms=1, batch_max_ops=3)
    bench.give(delivery(operation()))
    bench.linger()
    bench.consumer.work()
    bench.give(delivery(operation()))
    bench.linger()
    bench.give(delivery(operation()))
    assert bench.consumer.jobs == []
    bench.pace()
    bench.consumer.work()
    bench.give(*(delivery(operation()) for _ in range(3)))
    bench.consumer.work()
    assert [len(batch) for batch in bench.pipelines["crm"].batches] == [1, 2, 3]


def test_where_much_comes_what_is_not_full_begins_less_often():
    bench = Bench("crm", threads=4, batch_linger_ms=1)
    bench.give(delivery(*(operation(f"{n}") for n in range(600))))
    bench.linger()
    bench.consumer.work()
    bench.give(delivery(operation()))
    bench.linger()
    bench.pace()
    assert bench.consumer.jobs == []
    bench.advance(0.02)
    bench.consumer.work()
    assert [len(batch) for batch in bench.pipelines["crm"].batches] == [1, 1]


def test_a_trial_has_a_few_messages_so_that_one_alone_decides_nothing():
    bench = Bench("crm", guard=HASTY, threads=4, batch_max_ops=100)
    fail(bench, DOWN)
    bench.give(delivery(operation()))
    bench.linger()
    bench.work()
    bench.advance(1)
    bench.work()
    bench.give(*(delivery(operation()) for _ in range(20)))
    bench.linger()
    bench.consumer.work()
    assert [len(batch) for batch in bench.pipelines["crm"].batches] == [1, 8]
