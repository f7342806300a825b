from __future__ import annotations

import math
import random
from collections import Counter
from statistics import mean

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.assignment import owners
from syncpipe.core.routing import Lane

TARGETS = st.sampled_from(["crm", "erp", "dwh"])
LANES = st.sets(st.builds(Lane, TARGETS, st.integers(0, 31)), max_size=60)
PROCESSES = st.sets(st.text("abcdefgh-@0123456789", min_size=1), min_size=1, max_size=12)


@given(LANES, PROCESSES)
def test_every_lane_has_one_owner_that_lives(lanes, processes):
    owned = owners(lanes, processes)
    assert owned.keys() == lanes
    assert set(owned.values()) <= processes


@given(LANES, PROCESSES)
def test_nobody_has_more_than_an_even_share_of_a_target(lanes, processes):
    loads = Counter((lane.target, name) for lane, name in owners(lanes, processes).items())
    sizes = Counter(lane.target for lane in lanes)
    assert all(load <= math.ceil(sizes[to] / len(processes)) for (to, _), load in loads.items())


@given(LANES, PROCESSES, st.randoms(use_true_random=False))
def test_everybody_comes_to_the_same_answer(lanes, processes, chance):
    shuffled_lanes, shuffled = list(lanes), [*processes, *processes]
    chance.shuffle(shuffled_lanes)
    chance.shuffle(shuffled)
    assert owners(shuffled_lanes, shuffled) == owners(lanes, processes)


@given(LANES, PROCESSES)
def test_targets_do_not_depend_on_each_other(lanes, processes):
    crm = {lane for lane in lanes if lane.target == "crm"}
    alone = owners(crm, processes)
    assert {lane: owners(lanes, processes)[lane] for lane in crm} == alone


@given(LANES)
def test_without_processes_nobody_owns_anything(lanes):
    assert owners(lanes, []) == {}


@given(st.builds(Lane, TARGETS, st.integers(0, 999)), PROCESSES, st.text(min_size=1))
def test_a_single_lane_moves_only_to_whoever_comes_or_from_whoever_goes(lane, processes, other):
    without, within = owners([lane], processes), owners([lane], processes | {other})
    assert within[lane] in {without[lane], other}


def test_a_process_that_comes_or_goes_moves_few_lanes():
    # At least the lanes of the one that comes or goes must move: lanes / processes. Bounded loads
    # move some more. Over many cases the mean stays below twice what must move.
    chance = random.Random(7)
    ratios = []
    for _ in range(200):
        lanes = [Lane("crm", shard) for shard in range(chance.choice([8, 16, 64, 128]))]
        names = [f"w{chance.getrandbits(32):x}@h" for _ in range(chance.randrange(2, 9))]
        before, after = owners(lanes, names[1:]), owners(lanes, names)
        moved = sum(before[lane] != after[lane] for lane in lanes)
        ratios.append(moved / (len(lanes) / len(names)))
    assert mean(ratios) < 2
    assert max(ratios) < 5
