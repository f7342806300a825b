"""How batches become smaller and fewer, by what the target says of them."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from syncpipe.errors import TargetBusy, TargetMisconfigured, TargetThrottled
from syncpipe.pipeline import Done, Later, Report
from syncpipe.pipeline.effort import Effort
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import DOWN, Bench
from tests.unit.workers.deliveries import delivery

LATER = Later(1.0, counted=False)


@pytest.fixture
def bench():
    return Bench("crm", threads=4)


def give(bench, *, operations=20, messages=1):
    """Have messages come, and their batch begin."""
    for _ in range(messages):
        bench.give(delivery(*(operation(f"k{i}") for i in range(operations))))
    bench.linger()


def answer(bench, *, seconds=0.1, verdict=None, outage=None, asked=True, **effort):
    """Have the pool apply the oldest batch; the target takes *seconds* for it."""
    messages = len(bench.consumer.jobs[0][1][1])
    verdict = verdict or (LATER if outage else Done())
    spent = {"apply": 1000 * seconds}
    found = Report(
        (verdict,) * messages, {}, spent, None, {}, outage, asked=asked, effort=Effort(**effort)
    )
    bench.pipelines["crm"].run = lambda *_: found
    bench.clock.advance(seconds)
    bench.consumer.work()


def sizes(bench):
    return bench.sizing["crm"].operations, bench.sizing["crm"].batches


def test_a_batch_that_takes_too_long_makes_the_next_smaller(bench):
    give(bench, messages=50)
    answer(bench, seconds=4)
    assert sizes(bench) == (500, 4)
    give(bench, messages=26)
    assert [len(args[1]) for _, args, _ in bench.consumer.jobs] == [25]


@pytest.mark.parametrize(
    ("operations", "size", "together"),
    [(1, 1, 1_000), (900, 3_000_000, 300), (100, 5_000_000, 20), (2, 9_000_000, 1)],
)
def test_a_call_is_bounded_in_bytes_too(bench, operations, size, together):
    assert bench.sizing.together("crm", operations, size) == together


def test_the_limit_of_a_target_is_its_own():
    bench = Bench("crm", threads=4, guard={"latency_limit_s": 0.5})
    give(bench, messages=50)
    answer(bench, seconds=1)
    assert sizes(bench) == (500, 4)


def test_an_envelope_that_is_larger_than_a_batch_is_applied_in_parts_of_that_size(bench):
    give(bench, operations=150)
    assert bench.consumer.jobs[0][1][2] == 1000
    answer(bench, seconds=600)
    give(bench, operations=150)
    assert bench.consumer.jobs[0][1][2] == 75


def test_a_large_envelope_is_applied_in_few_calls_however_small_batches_are(bench):
    while sizes(bench)[0] > 10:
        give(bench, operations=150)
        answer(bench, seconds=600)
    give(bench, operations=500)
    assert bench.consumer.jobs[0][1][2] == 16


def test_a_full_batch_that_is_taken_makes_the_next_larger(bench):
    give(bench, messages=50)
    answer(bench)
    assert sizes(bench) == (2000, 4)


@pytest.mark.parametrize("messages", [1, 49])
def test_one_that_is_not_full_says_nothing(bench, messages):
    give(bench, messages=messages)
    answer(bench)
    assert sizes(bench) == (1000, 4)


def test_a_target_that_was_asked_too_often_gets_fewer_at_once(bench):
    give(bench, messages=50)
    answer(bench, outage=TargetThrottled("slowly"))
    assert sizes(bench) == (1000, 2)
    assert bench.guards.slots("crm") == 4


@pytest.mark.parametrize("trouble", [{"outage": TargetBusy("locked"), "busy": 12}, {"slow": True}])
def test_a_target_that_is_too_busy_or_too_slow_gets_half(bench, trouble):
    give(bench, messages=50)
    answer(bench, seconds=1, **trouble)
    assert sizes(bench) == (500, 4)


@pytest.mark.parametrize("outage", [DOWN, TargetMisconfigured("no table")])
def test_after_an_outage_batches_begin_small(bench, outage):
    give(bench, messages=50)
    answer(bench, outage=outage)
    assert sizes(bench) == (10, 4)


@pytest.mark.parametrize(
    "silent",
    [
        {"sought": True},
        {"asked": False},
        {"outage": ValueError("ours"), "verdict": LATER},
    ],
)
def test_a_search_for_what_is_refused_says_nothing_nor_does_a_fault_of_ours(bench, silent):
    give(bench, messages=50)
    answer(bench, seconds=60, **silent)
    assert sizes(bench) == (1000, 4)


def test_what_is_tried_again_says_nothing(bench):
    give(bench)
    answer(bench, verdict=LATER)
    bench.advance(2)
    for _ in range(20):
        answer(bench, seconds=6, verdict=LATER, busy=1)
        bench.advance(2)
    assert sizes(bench) == (1000, 4)


def test_sizes_outlive_a_connection(bench):
    give(bench, messages=50)
    answer(bench, seconds=4)
    bench.connect()
    assert sizes(bench) == (500, 4)
    give(bench, messages=26)
    assert [len(args[1]) for _, args, _ in bench.consumer.jobs] == [25]


def test_the_most_is_what_is_configured():
    bench = Bench("crm", "erp", threads=4, batch_max_ops=40)
    assert sizes(bench) == (40, 2)
    give(bench, messages=2)
    answer(bench)
    assert sizes(bench) == (40, 2)


def test_the_log_tells_when_a_size_has_changed_much_and_when_it_is_the_most_again():
    bench = Bench("crm", threads=1, batch_max_ops=1000)
    with capture_logs() as lines:
        give(bench, messages=50)
        answer(bench, seconds=8)
        give(bench, messages=25)
        answer(bench, seconds=4)
        for _ in range(3):
            give(bench, messages=50)
            answer(bench, seconds=0.01)
    told = [
        (line["target"], line["operations"], line["at_once"])
        for line in lines
        if line["event"] == "batch-size"
    ]
    assert told == [("crm", 250, 1), ("crm", 1000, 1)]


def test_others_are_told(bench):
    give(bench, messages=50)
    answer(bench, seconds=4)
    assert bench.sizing.counters() == {"batch_operations:crm": 500, "batches:crm": 4}
