from __future__ import annotations

from msgspec.structs import replace

from syncpipe.core.attempt import Attempt
from syncpipe.core.outcome import Outcome
from syncpipe.pipeline.batch import Batch
from syncpipe.pipeline.fold import fold
from tests.unit.pipeline.envelopes import COLLECTIONS, item, operation


def folded(*operations):
    items = tuple(item(each, index) for index, each in enumerate(operations))
    return fold(Batch((), items=items), COLLECTIONS)


def test_operations_of_a_record_come_together_in_version_order():
    late, early, other = operation("a", version=2), operation("a", version=1), operation("b")
    groups = {group.key: group for group in folded(late, other, early).groups}
    assert groups["a"].operations == (early, late)
    assert groups["b"].operations == (other,)
    assert groups["a"].collection is COLLECTIONS["orders"]


def test_equal_versions_are_ordered_by_tie():
    one, two = operation("a"), operation("a")
    (group,) = folded(two, one).groups
    assert [each.stamp for each in group.operations] == sorted([one.stamp, two.stamp])


def test_a_second_copy_is_set_aside_as_a_duplicate():
    each = operation()
    batch = folded(each, each)
    assert batch.groups[0].operations == (each,)
    assert [(s.item.message, s.outcome) for s in batch.settled] == [(1, Outcome.DUPLICATE)]


def test_one_id_on_two_records_is_two_operations():
    each = operation("a")
    batch = folded(each, replace(each, key="b"))
    assert sorted(group.key for group in batch.groups) == ["a", "b"]
    assert batch.settled == ()


def test_of_several_copies_the_one_that_tells_of_most_attempts_goes_on():
    each = operation()
    attempt = Attempt(1, "w", 1, "SP-E510", "no")
    items = tuple(item(each, index, (attempt,) * tried) for index, tried in enumerate([1, 2, 0]))
    batch = fold(Batch((), items=items), COLLECTIONS)
    assert [item.message for item in batch.items] == [1]
    assert sorted(copy.item.message for copy in batch.settled) == [0, 2]


def test_records_are_told_apart_by_collection_and_key_and_come_in_the_order_of_their_first():
    first, other, second = operation("a"), operation("a", collection="prices"), operation("b")
    again = operation("a", version=1)
    batch = folded(first, other, second, again)
    assert [(group.collection.name, group.operations) for group in batch.groups] == [
        ("orders", (first, again)),
        ("prices", (other,)),
        ("orders", (second,)),
    ]
