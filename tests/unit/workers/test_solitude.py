"""Of what may have killed a process, one at a time goes: two would share the blame."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from syncpipe.pipeline import Later
from tests.unit.pipeline.envelopes import operation
from tests.unit.workers.bench import DOWN, HASTY, Bench
from tests.unit.workers.deliveries import delivery


class Wary:
    """Suspects every message about the record that is called so."""

    def suspects(self, _target, message):
        return b"suspect" in message.body

    @contextmanager
    def over(self, _target, messages):
        yield messages, None


def wary(*targets, **options):
    bench = Bench(*targets, **options)
    bench.caution = Wary()
    return bench


def suspect(**options):
    return delivery(operation("suspect"), **options)


@pytest.fixture
def bench():
    return wary("crm", "erp")


def test_suspects_go_one_after_the_other_whatever_their_target(bench):
    each = [suspect(), suspect(), suspect(target="erp")]
    bench.give(*each)
    bench.linger()
    for done in range(1, 4):
        assert (len(bench.consumer.jobs), bench.batcher.held) == (1, 3 - done)
        bench.consumer.work()
        bench.pace()
        assert [one.fate for one in each].count("acknowledged") == done
    assert len(bench.reports) == 3


def test_others_go_on_beside_them(bench):
    first, second, other = suspect(), suspect(), delivery(operation())
    bench.give(first, second, other)
    bench.linger()
    bench.advance(0.03)
    assert len(bench.consumer.jobs) == 2
    bench.consumer.jobs.reverse()
    bench.consumer.work()
    assert [each.fate for each in (first, second, other)] == [None, None, "acknowledged"]


def test_one_that_has_to_wait_lets_the_next_go(bench):
    bench.pipelines["crm"].answers = [(Later(60.0, counted=True), None)]
    first, second = suspect(), suspect()
    bench.give(first, second)
    bench.linger()
    bench.consumer.work()
    bench.pace()
    bench.consumer.work()
    assert (first.fate, second.fate) == (None, "acknowledged")
    bench.advance(60)
    bench.consumer.work()
    assert first.fate == "acknowledged"


def test_what_waits_for_its_turn_goes_back_at_the_end(bench):
    each = [suspect() for _ in range(3)]
    bench.give(*each)
    bench.linger()
    assert bench.batcher.give_back() == 2
    assert [one.fate for one in each] == [None, "returned", "returned"]


def test_after_a_lost_connection_they_are_forgotten(bench):
    bench.give(suspect(), suspect())
    bench.linger()
    old = bench.batcher
    bench.connect()
    assert old.held == 0


def test_those_of_a_target_that_is_left_alone_go_back():
    bench = wary("crm", guard=HASTY)
    bench.pipelines["crm"].answers = [(Later(1.0, counted=False), DOWN)]
    each = [suspect() for _ in range(3)]
    bench.give(*each)
    bench.linger()
    bench.consumer.work()
    assert [one.fate for one in each] == ["returned"] * 3
    assert bench.batcher.held == 0
