"""What a flush waits for, and what it reports."""

from __future__ import annotations

from syncpipe.producer.tally import Tally
from tests.unit.producer.parts import ticket


def test_a_mark_waits_for_what_was_opened_before_it_only():
    tally = Tally()
    first = tally.opened()
    mark = tally.mark()
    tally.opened()

    assert tally.waiting(mark) == 1
    tally.settled(first, 1)
    assert tally.waiting(mark) == 0
    assert tally.report(mark) == 0


def test_a_failure_is_reported_once_by_the_next_flush():
    tally = Tally()
    tally.settled(tally.opened(), 1, failed=1)

    assert tally.report(tally.mark()) == 1
    assert tally.report(tally.mark()) == 0


def test_a_failure_is_reported_by_every_flush_that_waits_meanwhile():
    tally = Tally()
    epoch = tally.opened()
    one, other = tally.mark(), tally.mark()
    tally.settled(epoch, 1, failed=1)

    assert [tally.report(one), tally.report(other)] == [1, 1]
    assert tally.report(tally.mark()) == 0


def test_what_still_waits_is_reported():
    tally = Tally()
    tally.opened()
    tally.settled(tally.opened(), 1, failed=1)

    assert tally.report(tally.mark()) == 2
    assert tally.report(tally.mark()) == 1


def test_several_operations_may_be_settled_at_once():
    tally = Tally()
    epoch = min(tally.opened() for _ in range(3))
    mark = tally.mark()
    later = tally.opened()
    tally.settled(epoch, 2, failed=1)

    assert tally.waiting(mark) == 1
    tally.settled(later, 1)
    assert tally.report(tally.mark()) == 2


def test_a_recount_leaves_nothing_of_what_was_counted_before():
    tally = Tally()
    tally.opened()
    mark = tally.mark()
    later = tally.opened()
    tickets = [ticket() for _ in range(7)]
    for number, each in enumerate(tickets):
        each.epoch = mark.epoch if number < 2 else later
    tally.recount(tickets)

    assert tally.waiting(mark) == 2
