"""Shards, lanes and queue names."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.routing import (
    Lane,
    Priority,
    lanes_of,
    leading,
    parse_queue,
    queues_of,
    shard_of,
    shards_of,
)


@given(st.sampled_from(["crm", "a-1", "b_2"]), st.integers(0, 99_999), st.sampled_from(Priority))
def test_lane_and_priority_come_back_from_the_queue_name(target, shard, priority):
    lane = Lane(target, shard)

    assert parse_queue(lane.queue(priority)) == (lane, priority)
    assert parse_queue(lane.queue(priority) + ".v12") == (lane, priority)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "celery",
        "sp.dead",
        "sp.crm.1",
        "sp.crm.x.low",
        "sp.crm.1.urgent",
        "sp.CRM.1.low",
        "sp.crm.1.low.x",
        "xsp.crm.1.low",
        "sp.crm.-1.low",
        "sp..1.low",
        "sp.crm.1.low.v",
        "sp.crm.1.low.v1.v1",
    ],
)
def test_other_names_are_no_lane(name):
    assert parse_queue(name) is None


def test_the_shard_of_a_key_never_changes():
    assert [shard_of("orders", f"o-{n}", 8) for n in range(8)] == [0, 3, 7, 6, 3, 0, 0, 6]


@given(st.sampled_from(["orders", "o"]), st.lists(st.text(), max_size=5), st.integers(1, 1024))
def test_the_shards_of_many_keys_are_those_of_each(collection, keys, shards):
    keys = [key.encode(errors="ignore").decode() for key in keys]

    assert shards_of(collection, keys, shards) == [shard_of(collection, k, shards) for k in keys]


def test_keys_spread_evenly():
    counts = Counter(shard_of("orders", str(n), 8) for n in range(8000))

    assert set(counts) == set(range(8))
    assert max(counts.values()) < 1.2 * min(counts.values())


def test_collection_and_key_are_kept_apart():
    pairs = [("a", "bc"), ("ab", "c"), ("abc", "")]

    assert len({shard_of(collection, key, 2**62) for collection, key in pairs}) == 3


def test_a_target_has_four_queues_per_lane_the_most_urgent_first():
    assert queues_of("crm", 2) == [
        "sp.crm.0.critical",
        "sp.crm.1.critical",
        "sp.crm.0.high",
        "sp.crm.1.high",
        "sp.crm.0.normal",
        "sp.crm.1.normal",
        "sp.crm.0.low",
        "sp.crm.1.low",
    ]
    assert lanes_of("crm", 2) == [Lane("crm", 0), Lane("crm", 1)]


def test_every_degree_leads_in_its_turn_the_more_urgent_more_often():
    assert Counter(leading(turn) for turn in range(1, 17)) == {0: 8, 1: 4, 2: 2, 3: 1, 4: 1}
    assert [leading(turn) for turn in range(1, 9)] == [0, 1, 0, 2, 0, 1, 0, 3]
