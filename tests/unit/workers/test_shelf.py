from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from syncpipe.pipeline import WorkerOptions
from syncpipe.resilience.sizes import Sizes
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.deliveries import delivery
from workers.held import hold
from workers.shelf import Shelf


def held(*, priority="normal", since=0.0, operations=1):
    each = delivery(*(operation(f"k{i}") for i in range(operations)), priority=priority)
    return hold(each, queue=each.delivery_info["routing_key"], since=since)


def shelf(**options):
    chosen = WorkerOptions(**options)
    return Shelf(chosen, Sizes(operations=chosen.batch_max_ops, batches=1, limit_s=1, call=2000))


def test_an_empty_shelf_is_never_due():
    assert shelf().due() is None
    assert shelf().take(0) == []


def test_a_batch_waits_for_more_for_as_long_as_it_may_linger():
    waiting = shelf(batch_linger_ms=5)
    waiting.put(held(since=1.0))
    waiting.put(held(since=1.003))
    assert waiting.due() == pytest.approx(1.005)


def test_a_full_batch_is_due_at_once():
    by_number, by_size = shelf(batch_max_ops=2), shelf(batch_max_bytes=10)
    for waiting in (by_number, by_size):
        waiting.put(held(since=1.0))
        waiting.put(held(since=1.0))
        assert waiting.due() == 1.0


def test_a_batch_ends_before_the_message_that_does_not_fit():
    waiting = shelf(batch_max_ops=5)
    each = [held(operations=2) for _ in range(4)]
    for one in each:
        waiting.put(one)
    assert waiting.take(0) == each[:2]
    assert waiting.take(0) == each[2:]


def test_a_message_larger_than_a_batch_goes_alone():
    waiting = shelf(batch_max_ops=2)
    large, small = held(operations=3), held()
    waiting.put(large)
    waiting.put(small)
    assert waiting.take(0) == [large]
    assert waiting.take(0) == [small]


def test_the_most_urgent_goes_first():
    waiting = shelf()
    low, critical, high = held(priority="low"), held(priority="critical"), held(priority="high")
    for each in (low, critical, high):
        waiting.put(each)
    assert waiting.take(0) == [critical, high, low]


def test_under_endless_work_the_urgencies_share_about_8_4_2_1():
    waiting = shelf(batch_max_ops=1)
    for priority in ("critical", "high", "normal", "low"):
        for _ in range(32):
            waiting.put(held(priority=priority))
    led = Counter(waiting.take(0)[0].degree for _ in range(32))
    assert led == {0: 18, 1: 8, 2: 4, 3: 2}


def test_a_batch_is_led_by_the_urgency_whose_turn_it_is_and_filled_by_urgency():
    waiting = shelf(batch_max_ops=3)
    orders = []
    for _ in range(8):
        for priority in ("low", "normal", "high", "critical"):
            waiting.put(held(priority=priority))
        orders.append([each.degree for each in waiting.take(0)])
        waiting.clear()
    assert orders[0] == [0, 1, 2]
    assert orders[1] == [1, 0, 2]
    assert orders[3] == [2, 0, 1]
    assert orders[7] == [3, 0, 1]


def test_what_is_tried_again_waits_until_it_is_due_and_travels_apart():
    waiting = shelf()
    fresh, again = held(since=9.0), held()
    waiting.put(fresh)
    waiting.put_back(again, due=7.0)
    assert waiting.due() == 7.0
    assert waiting.take(6.9) == [fresh]
    assert waiting.take(6.9) == []
    assert waiting.take(7.0) == [again]


def test_what_is_tried_again_keeps_to_the_size_of_a_batch():
    waiting = shelf(batch_max_ops=3)
    each = [held(operations=2) for _ in range(3)]
    for one in each:
        waiting.put_back(one, due=1.0)
    assert [waiting.take(2.0) for _ in range(4)] == [[each[0]], [each[1]], [each[2]], []]


def test_what_has_rested_is_fresh_again_behind_all_others():
    waiting = shelf(batch_max_ops=2)
    rested, *others = [held() for _ in range(4)]
    waiting.rest(rested, until=7.0)
    assert (len(waiting), waiting.retries, waiting.due()) == (1, 1, 7.0)
    for each in others:
        waiting.put(each)
    assert waiting.take(7.0) == others[:2]
    assert waiting.cost(7.0) == 1
    assert waiting.take(7.0) == [others[2], rested]
    waiting.rest(rested, until=9.0)
    assert waiting.take(8.9) == []
    assert waiting.clear() == [rested]
    assert waiting.due() is None


def test_clearing_takes_everything_and_forgets_its_size():
    waiting = shelf(batch_max_ops=2, batch_linger_ms=5)
    each = [held(since=1.0), held(since=1.0)]
    waiting.put(each[0])
    waiting.put_back(each[1], due=2.0)
    assert (len(waiting), waiting.retries) == (2, 1)
    assert sorted(waiting.clear(), key=id) == sorted(each, key=id)
    assert (len(waiting), waiting.retries) == (0, 0)
    waiting.put(each[0])
    assert waiting.due() == pytest.approx(1.005)


def test_it_tells_what_the_first_message_of_a_batch_costs_and_takes_no_more_than_told():
    waiting = shelf()
    low, high, again = held(priority="low"), held(priority="high", operations=3), held(operations=9)
    for each in (low, high, held(priority="high")):
        waiting.put(each)
    waiting.put_back(again, due=9.0)
    assert (waiting.cost(9.0), waiting.take(9.0, most=1)) == (9, [again])
    assert (waiting.cost(9.0), waiting.take(9.0, most=2)) == (3, [high])
    assert len(waiting.take(9.0, most=2)) == 2


def test_a_message_that_is_to_go_alone_shares_its_batch_with_nobody():
    waiting = shelf()
    before, suspect, behind = held(), replace(held(), alone=True), held()
    for each in (before, suspect, behind):
        waiting.put(each)

    assert [waiting.take(1.0) for _ in range(3)] == [[before], [suspect], [behind]]


def test_that_holds_when_it_comes_again_too():
    waiting = shelf()
    suspect, other = replace(held(), alone=True), held()
    waiting.put_back(suspect, 1.0)
    waiting.put_back(other, 1.0)

    assert [waiting.take(2.0) for _ in range(2)] == [[suspect], [other]]
