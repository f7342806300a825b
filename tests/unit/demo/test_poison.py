from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from syncpipe.core.keys import canonical_key
from syncpipe.demo.poison import MOST, mixed, number_of
from syncpipe.demo.stream import operations
from tests.unit.demo.test_feed import DECLARED


@pytest.mark.parametrize("total", [1, 2, 3, 99, 100, 1000])
@pytest.mark.parametrize("share", [Fraction(0), Fraction(1, 1000), Fraction(1, 100), MOST])
def test_any_number_of_operations_may_hold_any_share_of_poison(total, share):
    poisoned = number_of(share, total)
    assert (poisoned > 0) == (share > 0)

    found = list(mixed(operations(total - poisoned, seed=1), poisoned, total))
    assert len(found) == total
    assert sum(each.poisoned for each in found) == poisoned
    sound = [each for each in found if not each.poisoned]
    assert sound == list(operations(total - poisoned, seed=1))


def test_poison_is_spread_evenly():
    found = list(mixed(operations(900, seed=1), 100, 1000))
    places = [place for place, each in enumerate(found) if each.poisoned]
    assert {later - earlier for earlier, later in pairwise(places)} == {10}


def test_nobody_else_writes_a_poisoned_record():
    found = list(mixed(operations(20_000, seed=1), 200, 20_200))
    keys = {
        wanted: [
            (each.collection, canonical_key(DECLARED[each.collection], each.key))
            for each in found
            if each.poisoned == wanted
        ]
        for wanted in (True, False)
    }
    assert len(keys[True]) == 200
    assert len(set(keys[True])) == 30
    assert not set(keys[True]) & set(keys[False])
