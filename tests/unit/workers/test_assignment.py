from __future__ import annotations

import pytest

from syncpipe.core.routing import Lane, queues_of
from workers.assignment import Assignment

DECLARED = dict.fromkeys(queues_of("crm", 8), "crm")


@pytest.fixture
def first():
    return Assignment("a", DECLARED)


def lanes_of(queues):
    return {int(name.split(".")[2]) for name in queues}


def test_whoever_is_alone_has_every_lane(first):
    change = first.look([])
    assert change.named() == {"taken": [f"crm.{shard}" for shard in range(8)], "released": []}
    assert first.queues == DECLARED


def test_two_have_every_lane_once_and_half_of_them_each(first):
    second = Assignment("b", DECLARED)
    for each in (first, second):
        each.look(["a", "b"])
    assert len(first.lanes) == len(second.lanes) == 4
    assert not first.lanes & second.lanes
    assert first.queues | second.queues == DECLARED


def test_one_of_two_does_what_one_does_for_all(first):
    second = Assignment("b", DECLARED)
    assert not first.leads
    for each in (first, second):
        each.look(["a", "b"])
    assert first.leads is not second.leads
    second.look([])
    assert second.leads


def test_what_is_ours_is_claimed_at_once_and_what_was_is_released_one_look_later(first):
    first.look(["a"])
    change = first.look(["a", "b"])
    assert (len(change.taken), len(change.released)) == (0, 4)
    assert first.queues == DECLARED
    assert first.look(["a", "b"]) is None
    assert len(lanes_of(first.queues)) == 4
    change = first.look(["a"])
    assert (len(change.taken), len(change.released)) == (4, 0)
    assert first.queues == DECLARED


def test_the_same_list_again_changes_nothing(first):
    first.look(["a", "b"])
    queues = first.queues
    assert first.look(["b", "a", "b"]) is None
    assert first.queues == queues


def test_found_lanes_are_consumed_by_their_owner_and_move_no_other():
    both = [Assignment(name, DECLARED) for name in "ab"]
    found = {"sp.crm.17.low": "crm", "sp.crm.9.high": "crm"}
    for each in both:
        each.look(["a", "b"])
    before = [each.lanes for each in both]
    for each in both:
        each.found = found
        each.look(["a", "b"])
    assert all(lanes <= each.lanes for lanes, each in zip(before, both, strict=True))
    assert sorted(lanes_of(both[0].queues) | lanes_of(both[1].queues)) == [*range(8), 9, 17]
    assert not both[0].lanes & both[1].lanes


def test_of_a_found_lane_only_the_queues_that_were_found_are_consumed(first):
    first.found = {"sp.crm.9.high": "crm"}
    first.look([])
    assert first.queues.keys() - DECLARED.keys() == {"sp.crm.9.high"}
    assert Lane("crm", 9) in first.lanes
    first.found = {}
    first.look([])
    assert first.queues == DECLARED


def test_another_version_of_a_declared_queue_goes_with_its_lane():
    found = {f"sp.crm.{shard}.low.v0": "crm" for shard in range(8)}
    for name in "ab":
        each = Assignment(name, DECLARED)
        each.found = found
        each.look(["a", "b"])
        declared = {queue for queue in each.queues if queue in DECLARED}
        assert lanes_of(declared) == lanes_of(each.queues.keys() - declared)


def test_many_lanes_are_told_by_number():
    each = Assignment("a", dict.fromkeys(queues_of("crm", 9), "crm"))
    assert each.look([]).named() == {"taken": 9, "released": []}
