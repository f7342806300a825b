"""Rates from looks at counters."""

from __future__ import annotations

from syncpipe.ops.traffic import UNKNOWN, look, rates
from syncpipe.transport.broker import WorkerInfo


def worker(name, envelopes, operations, started_ms=1):
    counters = {"envelopes:crm": envelopes, "operations:crm": operations, "envelopes:erp": 999}
    counters["saved:crm"] = operations // 2
    return WorkerInfo(name, 1, "h", started_ms, 2, counters)


def test_what_came_in_is_what_was_finished_and_what_waits_more():
    looks = [
        look("crm", 100, [worker("a", 10, 100), worker("b", 5, 50)], 1.0),
        look("crm", 120, [worker("a", 20, 300), worker("b", 15, 150)], 3.0),
    ]
    found = rates(looks)
    assert (found.arriving, found.finished, found.operations) == (20.0, 10.0, 150.0)
    assert found.saved == 75.0
    assert found.drain_s(120) is None


def test_the_time_to_drain_counts_what_arrives_meanwhile():
    found = rates(
        [look("crm", 100, [worker("a", 0, 0)], 0), look("crm", 90, [worker("a", 30, 30)], 1)]
    )
    assert (found.arriving, found.finished) == (20.0, 30.0)
    assert found.drain_s(90) == 9.0


def test_a_worker_that_starts_again_begins_at_nothing_and_one_that_is_gone_takes_nothing_back():
    before = look("crm", 0, [worker("a", 1000, 1000), worker("b", 500, 500)], 0)
    after = look("crm", 0, [worker("a", 7, 70, started_ms=9)], 1)
    assert rates([before, after]).operations == 70.0


def test_a_queue_that_was_purged_did_not_arrive_backwards():
    purged = [look("crm", 100, [worker("a", 1, 1)], 0), look("crm", 0, [worker("a", 1, 1)], 1)]
    assert rates(purged).arriving == 0.0


def test_one_look_tells_nothing():
    one = look("crm", 1, [], 0)
    assert rates([]) == rates([one]) == rates([one, one]) == UNKNOWN
    assert UNKNOWN.drain_s(5) is None
