"""Undoing the applied members of dead groups."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncpipe.core.codec import decode_all
from syncpipe.core.collection import Collection
from syncpipe.core.routing import Priority
from syncpipe.errors import CompensationFailed, StoreUnavailable
from syncpipe.ops import compensating
from syncpipe.ops.compensating import Swept, sweep
from syncpipe.store.groups import Counts
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.store import MemoryStore
from tests.contract.test_groups import G1, letter, member, undoing

DAY = 24 * 3600


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    return MemoryStore(clock)


class Undo:
    """Undoes what it is told to, and counts."""

    def __init__(self, *failing):
        self.failing = {member(number).raw for number in failing}
        self.calls = 0

    def __call__(self, raw, target, priority):
        self.calls += 1
        assert (target, priority) == ("crm", Priority.HIGH)
        if raw in self.failing:
            raise CompensationFailed("no")
        ((operation, _),) = decode_all(raw)
        return undoing(int(operation.key[1:]))


def dead(store, number):
    store.groups.applied([member(n) for n in range(number)])
    store.dead_letters.record([letter(9999)])


def sent(store):
    return store.schedule.outlook()["crm"].count if store.schedule.outlook() else 0


def test_where_no_group_ended_nothing_is_done(store):
    store.groups.applied([member(1)])
    assert sweep(store.groups, Undo()) == Swept()


def test_every_applied_member_is_undone_once(store):
    dead(store, 1000)
    undo = Undo()
    assert sweep(store.groups, undo) == Swept(1000)
    assert sweep(store.groups, undo) == Swept()
    assert (undo.calls, sent(store)) == (1000, 1000)
    assert store.groups.counts(G1) == Counts(1000, 1000, 1000)


def test_one_that_cannot_be_undone_holds_up_no_other_and_is_tried_again(store, clock):
    dead(store, 3)
    undo = Undo(1)
    swept = sweep(store.groups, undo)
    assert (swept.compensated, swept.failed, swept.error.code) == (2, 1, "SP-E608")
    assert sweep(store.groups, undo) == Swept()
    clock.advance(60)
    assert sweep(store.groups, undo).failed == 1
    clock.advance(60)
    assert sweep(store.groups, Undo()) == Swept(1)
    assert sent(store) == 3


def test_one_who_dies_on_the_way_leaves_it_to_others(store, clock):
    dead(store, 3)

    def dies(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(store.groups, dies)
    assert sweep(store.groups, Undo()) == Swept()  # lent to who died
    clock.advance(60)
    assert sweep(store.groups, Undo()) == Swept(3)


def test_a_store_that_is_away_is_told(store):
    dead(store, 1)
    store.groups.fail(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        sweep(store.groups, Undo())
    store.groups.fail(None)
    assert sweep(store.groups, Undo()) == Swept(1)


def test_members_are_forgotten_behind_their_horizon(store, clock):
    store.groups.applied([member(1), replace(member(2), collection="prices")])
    collections = {
        "orders": Collection("orders", ("crm",), horizon_s=DAY),
        "prices": Collection("prices", ("crm",), horizon_s=9 * DAY),
    }
    clock.advance(2 * DAY)
    assert compensating.forget(store.groups, collections) == 1
    assert compensating.forget(store.groups, {}) == 0
    clock.advance(30 * DAY)
    assert compensating.forget(store.groups, {}) == 1
