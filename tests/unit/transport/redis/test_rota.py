"""The order in which claims look at lists."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.transport.redis.rota import Rota, urgency_of

FOUR = [("critical", 0), ("high", 1), ("normal", 2), ("low", 3)]


def _rounds(rota, number):
    return [rota.next() for _ in range(number)]


@pytest.mark.parametrize(
    ("queue", "urgency"),
    [
        ("sp.crm.0.critical", 0),
        ("sp.crm.0.high", 1),
        ("sp.crm.0.normal", 2),
        ("sp.crm.0.low", 3),
        ("sp.dead", 2),
    ],
)
def test_a_queue_is_as_urgent_as_its_name_says(queue, urgency):
    assert urgency_of(queue) == urgency


def test_each_degree_leads_in_its_share_of_the_claims():
    leaders = Counter(order[0] for order in _rounds(Rota(FOUR), 16))

    assert leaders == {"critical": 9, "high": 4, "normal": 2, "low": 1}


def test_behind_the_leader_the_most_urgent_comes_first():
    names = [name for name, _ in FOUR]

    for order in _rounds(Rota(FOUR), 32):
        assert order[1:] == [name for name in names if name != order[0]]


def test_lists_of_one_degree_take_turns_in_front():
    rota = Rota([("a", 0), ("b", 0), ("c", 0)])

    assert Counter(order[0] for order in _rounds(rota, 9)) == {"a": 3, "b": 3, "c": 3}


@given(
    counts=st.lists(st.integers(0, 90), min_size=4, max_size=4),
    size=st.integers(4, 40),
)
def test_a_claim_is_bounded_and_a_sweep_misses_no_list(counts, size):
    lists = [(f"{degree}.{i}", degree) for degree in range(4) for i in range(counts[degree])]
    rota = Rota(lists, size=size)
    seen = set()

    while not rota.exhausted:
        order = rota.next()
        assert len(order) == len(set(order)) <= size
        seen.update(order)
        rota.missed()

    assert seen == {name for name, _ in lists}


def test_a_find_starts_the_sweep_again():
    rota = Rota(FOUR)
    rota.missed()
    assert rota.exhausted

    rota.found()

    assert not rota.exhausted


def test_an_empty_rota_has_nothing_to_look_at():
    rota = Rota(())

    assert rota.exhausted
    assert rota.swept
    assert rota.lists == rota.next() == []


def test_a_sweep_ends_when_every_list_was_looked_at():
    rota = Rota([(str(number), 2) for number in range(70)], size=32)
    ends, seen = [], set()
    for _ in range(6):
        seen.update(rota.next())
        ends.append(rota.swept)
        assert len(seen) == 70 or not rota.swept

    assert ends == [False, False, True] * 2
