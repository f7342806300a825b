from __future__ import annotations

import math

from tests.chaos.brokers.ledger import (
    Book,
    Delivery,
    Fault,
    Numbers,
    all_back_s,
    count,
    judge,
    recovery_s,
)

PROVEN = Fault(proven=True, recovery_s=1.0)


def judged(**changes):
    fine = {
        "attempted": range(10),
        "acknowledged": range(10),
        "delivered": dict.fromkeys(range(10), 1),
        "faults": [PROVEN],
    }
    return judge(**(fine | changes))


def test_what_arrived_once_is_neither_lost_nor_duplicated():
    tally = judged()
    assert (tally.acknowledged, tally.faults) == (10, 1)
    assert (tally.lost, tally.duplicated, tally.unknown, tally.strangers) == (0, 0, 0, 0)
    assert tally.repeated_effects is None


def test_what_was_acknowledged_and_never_arrived_is_lost():
    tally = judged(delivered=dict.fromkeys([0, 1, 2, 4, 5, 6, 7, 9], 1))
    assert (tally.lost, tally.examples) == (2, (3, 8))


def test_what_was_never_acknowledged_may_be_missing_or_not():
    assert judged(acknowledged=range(8), delivered=dict.fromkeys(range(9), 1)).lost == 0
    assert judged(acknowledged=range(8), delivered=dict.fromkeys(range(9), 1)).strangers == 0


def test_what_arrived_again_is_duplicated_each_time():
    assert judged(delivered=dict.fromkeys(range(10), 1) | {4: 3, 5: 2}).duplicated == 3


def test_repeats_that_the_target_refused_are_duplicates_and_no_repeated_effects():
    tally = judged(repeats=7)
    assert (tally.duplicated, tally.repeated_effects) == (7, 0)


def test_an_effect_that_came_twice_is_a_repeated_effect():
    tally = judged(repeats=7, delivered=dict.fromkeys(range(10), 1) | {4: 2})
    assert (tally.duplicated, tally.repeated_effects) == (8, 1)


def test_a_message_that_nobody_sent_is_a_stranger():
    assert judged(delivered=dict.fromkeys(range(11), 1)).strangers == 1


def test_a_fault_that_is_not_proven_is_unknown_and_does_not_count():
    tally = judged(faults=[PROVEN, Fault(proven=False), Fault(proven=False)])
    assert (tally.faults, tally.unknown) == (1, 2)


def test_the_worst_recovery_is_the_longest():
    faults = [Fault(proven=True, recovery_s=seconds) for seconds in (1.0, 9.0, 3.0)]
    assert judged(faults=faults).worst_recovery_s == 9.0
    assert judged(faults=[*faults, Fault(proven=True, recovery_s=math.inf)]).worst_recovery_s == (
        math.inf
    )
    assert judged(faults=[]).worst_recovery_s is None


def test_nothing_at_all_is_counted_as_nothing():
    tally = judge(attempted=(), acknowledged=(), delivered={}, faults=())
    assert (tally.acknowledged, tally.faults, tally.lost) == (0, 0, 0)


def test_deliveries_are_counted_by_message():
    deliveries = [Delivery(1, "w1", 5), Delivery(2, "w1", 6), Delivery(1, "w2", 7)]
    assert count(deliveries) == {1: 2, 2: 1}


def test_recovery_lasts_until_the_first_delivery_of_the_last_message():
    deliveries = [Delivery(1, "w1", 12), Delivery(2, "w1", 13), Delivery(2, "w2", 19)]
    assert recovery_s(deliveries, {1, 2}, since=10) == 3
    assert recovery_s(deliveries, {1, 2, 3}, since=10) is None
    assert recovery_s(deliveries, (), since=10) == 0


def test_all_are_back_when_each_worker_has_processed_something_new():
    old, new = Delivery(5, "w1", 11), Delivery(6, "w1", 12)
    assert all_back_s([old, Delivery(7, "w2", 14)], ("w1", "w2"), after=5, since=10) is None
    assert all_back_s([old, new], ("w1", "w2"), after=5, since=10) is None
    assert all_back_s([old, new, Delivery(7, "w2", 14)], ("w1", "w2"), after=5, since=10) == 4


def test_a_book_gives_whole_lines_once(tmp_path):
    book, reader = Book(tmp_path / "book"), Book(tmp_path / "book")
    book.write("end", 1)
    assert [line[:2] for line in reader.news()] == [["end", "1"]]
    assert reader.news() == []
    with (tmp_path / "book").open("a") as file:
        file.write("end 2 1")
        file.flush()
        assert reader.news() == []
        file.write("0\n")
    assert reader.news() == [["end", "2", "10"]]


def test_numbers_are_those_of_all_writers(tmp_path):
    numbers = Numbers(tmp_path / "book")
    assert numbers.read() == set()
    for number in (3, 4, 4):
        Book(tmp_path / "book").write(number)
    assert numbers.read() == {3, 4}
