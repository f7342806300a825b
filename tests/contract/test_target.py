"""What every target promises, whatever it is made of."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncpipe.core.outcome import Outcome
from tests.integration.targets.places import NOW_MS, groups, new_key, operation

APPLIED, MERGED = Outcome.APPLIED, Outcome.MERGED
DUPLICATE, SUPERSEDED = Outcome.DUPLICATE, Outcome.SUPERSEDED


def stored(place, key):
    return place.rows([key])[key]


def test_its_clock_is_milliseconds(place):
    assert place.target.now_ms() > 1_600_000_000_000


def test_an_empty_batch_has_no_results(place):
    assert place.apply() == []


def test_an_upsert_sets_its_fields_and_removes_the_others(place, key, at):
    place.apply(operation("upsert", key, at, {"a": 1, "b": Decimal("1.50")}))
    place.apply(operation("upsert", key, at + 1, {"a": 2, "c": ["x", {"y": None}]}))

    assert stored(place, key) == place.meant({"a": 2, "c": ["x", {"y": None}]})


def test_a_patch_replaces_its_fields_whole_and_null_removes(place, key, at):
    place.apply(operation("upsert", key, at, {"a": 1, "b": Decimal(2), "c": {"deep": 1}}))
    place.apply(operation("patch", key, at + 1, {"b": None, "c": {"other": 2}}))

    assert stored(place, key) == place.meant({"a": 1, "c": {"other": 2}})


def test_a_patch_of_nothing_makes_a_record(place, key, at):
    place.apply(operation("patch", key, at, {"a": 1}))

    assert stored(place, key) == place.meant({"a": 1})


def test_a_record_whose_every_field_was_removed_still_exists(place, key, at):
    place.apply(operation("patch", key, at, {"a": None}))

    assert stored(place, key) == {}


def test_a_delete_removes_and_a_newer_upsert_makes_it_again(place, key, at):
    place.apply(operation("upsert", key, at, {"a": 1}))
    place.apply(operation("delete", key, at + 1))
    assert stored(place, key) is None

    place.apply(operation("patch", key, at + 2, {"c": "new"}))
    assert stored(place, key) == place.meant({"c": "new"})


def test_a_delete_of_what_never_was_is_remembered(place, key, at):
    delete, late = operation("delete", key, at + 1), operation("upsert", key, at, {"a": 1})

    assert place.outcomes(delete) == [APPLIED]
    assert place.outcomes(late) == [SUPERSEDED]
    assert stored(place, key) is None


@pytest.mark.parametrize("kind", ["upsert", "patch", "delete", "increment"])
def test_applying_again_changes_nothing(place, key, at, kind):
    data = None if kind == "delete" else {"a": 5}
    change = operation(kind, key, at, data)
    assert place.outcomes(change) == [APPLIED]
    before = stored(place, key)

    assert place.outcomes(change) == [DUPLICATE]
    assert stored(place, key) == before


@pytest.mark.parametrize("kind", ["upsert", "patch", "delete", "increment"])
def test_what_a_newer_upsert_covers_is_superseded(place, key, at, kind):
    place.apply(operation("upsert", key, at + 1, {"a": 9}))
    data = None if kind == "delete" else {"a": 5}

    assert place.outcomes(operation(kind, key, at, data)) == [SUPERSEDED]
    assert stored(place, key) == place.meant({"a": 9})


def test_operations_of_one_batch_are_merged_into_the_newest(place, key, at):
    batch = [
        operation("upsert", key, at, {"a": 1}),
        operation("increment", key, at + 1, {"a": 2}),
        operation("patch", key, at + 2, {"c": "x"}),
    ]

    assert place.outcomes(*batch) == [MERGED, MERGED, APPLIED]
    assert stored(place, key) == place.meant({"a": 3, "c": "x"})


def test_equal_versions_are_ordered_by_the_tie(place, key, at):
    low = operation("upsert", key, at, {"c": "low"}, id_=1)
    high = operation("upsert", key, at, {"c": "high"}, id_=2)

    assert place.outcomes(high) == [APPLIED]
    assert place.outcomes(low) == [SUPERSEDED]
    assert stored(place, key) == place.meant({"c": "high"})


def test_a_late_patch_sets_only_what_nothing_newer_set(place, key, at):
    place.apply(operation("upsert", key, at, {"a": 1, "c": 1}))
    place.apply(operation("patch", key, at + 2, {"a": 3}))

    assert place.outcomes(operation("patch", key, at + 1, {"a": 2, "c": 2})) == [APPLIED]
    assert stored(place, key) == place.meant({"a": 3, "c": 2})


def test_a_late_upsert_goes_below_newer_patches_and_increments(place, key, at):
    place.apply(operation("patch", key, at + 2, {"c": "patched"}))
    place.apply(operation("increment", key, at + 3, {"a": 5}))

    late = operation("upsert", key, at + 1, {"a": 10, "b": Decimal("0.5"), "c": "late"})
    assert place.outcomes(late) == [APPLIED]
    assert stored(place, key) == place.meant({"a": 15, "b": Decimal("0.5"), "c": "patched"})


def test_a_late_delete_leaves_what_is_newer(place, key, at):
    place.apply(operation("upsert", key, at, {"a": 1, "b": Decimal(1)}))
    place.apply(operation("patch", key, at + 2, {"c": "newer"}))
    place.apply(operation("delete", key, at + 1))

    assert stored(place, key) == place.meant({"c": "newer"})


def test_an_increment_counts_on_both_sides_of_a_late_value(place, key, at):
    before, after = (operation("increment", key, at + v, {"a": 10 + v}) for v in (0, 2))
    place.apply(before)
    place.apply(after)
    assert stored(place, key) == place.meant({"a": 22})

    place.apply(operation("patch", key, at + 1, {"a": 100}))
    assert stored(place, key) == place.meant({"a": 112})
    assert place.outcomes(before, after) == [DUPLICATE, DUPLICATE]


@pytest.mark.parametrize("value", [None, True, "12", [1], {"n": 1}])
def test_an_increment_of_what_is_no_number_counts_from_zero(place, key, at, value):
    place.apply(operation("upsert", key, at, {"c": value}))
    place.apply(operation("increment", key, at + 1, {"c": Decimal("1.5")}))

    assert stored(place, key) == place.meant({"c": Decimal("1.5")})


def test_an_increment_is_counted_once_even_under_another_version(place, key, at):
    place.apply(operation("increment", key, at, {"a": 1}, id_=7))

    assert place.outcomes(operation("increment", key, at + 5, {"a": 1}, id_=7)) == [DUPLICATE]
    assert stored(place, key) == place.meant({"a": 1})


def test_numbers_stay_exact(place, key, at):
    place.apply(operation("upsert", key, at, {"c": 0.1}))
    for position in range(1, 4):
        place.apply(operation("increment", key, at + position, {"c": Decimal("0.1")}))
    assert stored(place, key) == place.meant({"c": Decimal("0.4")})

    place.apply(operation("upsert", key, at + 9, {"c": 10**60}))
    place.apply(operation("increment", key, at + 10, {"c": 1}))
    assert stored(place, key) == place.meant({"c": 10**60 + 1})


@pytest.mark.parametrize("name", ["ключ", "a/b", "~", "tab\there", "'; --", '"', "\\", "🗝️" * 40])
def test_any_text_is_a_key(place, at, name):
    key = new_key(name)
    place.apply(operation("upsert", key, at, {"a": 1}), operation("patch", key, at + 1, {"c": key}))

    assert stored(place, key) == place.meant({"a": 1, "c": key})


def test_a_big_batch_of_every_kind_has_one_result_for_each(place, at):
    keys = [new_key() for _ in range(500)]
    kinds = ["upsert", "patch", "increment", "delete"]
    batch = [
        operation(kind, key, at + position, None if kind == "delete" else {"a": position})
        for key in keys
        for position, kind in enumerate(kinds[: 1 + keys.index(key) % 4])
    ]
    place.apply(*batch)

    assert place.rows(keys) == place.reference(batch)


def test_a_batch_of_known_and_new_operations_tells_them_apart(place, key, at):
    old, new = operation("increment", key, at, {"a": 1}), operation("increment", key, at, {"a": 2})
    other = operation("upsert", new_key(), at, {"a": 1})
    place.apply(old, other)

    assert place.outcomes(old, new, other) == [DUPLICATE, APPLIED, DUPLICATE]


def test_an_id_on_two_records_names_two_operations(place, at):
    first, second = (operation("increment", new_key(), at, {"a": 1}, id_=9) for _ in range(2))

    assert place.outcomes(first, second) == [APPLIED, APPLIED]
    assert place.outcomes(second, first) == [DUPLICATE, DUPLICATE]


def test_it_can_be_reached(place):
    place.target.ping()


def seen(place, *operations):
    return place.target.seen(groups(place.collection, operations))


def test_what_never_came_is_not_known(place, key, at):
    assert seen(place) == set()
    assert seen(place, operation("upsert", key, at, {"a": 1})) == set()


@pytest.mark.parametrize("kind", ["upsert", "patch", "delete", "increment"])
def test_what_was_applied_is_known_as_long_as_it_is_remembered(place, key, at, kind):
    data = None if kind == "delete" else {"a": 5}
    change, other = operation(kind, key, at, data), operation("upsert", key, at + 1, {"a": 6})
    place.apply(change)
    before = stored(place, key)
    known = {change.id} if place.remembers else set()

    assert seen(place, change, other) == known
    assert seen(place, change, other, operation("patch", new_key(), at, {"a": 1})) == known
    assert stored(place, key) == before


def test_increments_and_fields_above_the_base_are_known(place, key, at):
    base = operation("upsert", key, at, {"a": 1, "b": 1})
    counted = [operation("increment", key, at + n, {"a": 1}) for n in (1, 2)]
    patched = operation("patch", key, at + 3, {"c": 1})
    place.apply(base)
    place.apply(*counted)
    place.apply(patched)
    late = operation("increment", key, at + 1, {"a": 1})

    ids = {each.id for each in (base, *counted, patched)}
    assert seen(place, base, *counted, patched, late) == (ids if place.remembers else set())


def test_whoever_looks_waits_for_no_lock(place, key, at):
    change = operation("upsert", key, at, {"a": 1})
    place.apply(change)
    with place.locked(key):
        assert seen(place, change) == ({change.id} if place.remembers else set())


def test_each_record_is_answered_for_itself(place, at):
    keys = [new_key() for _ in range(7)]
    batch = [operation("upsert", key, at, {"a": 1}) for key in keys]
    batch += [operation("patch", keys[0], at + 1, {"b": Decimal(2)})]
    batch += [operation("increment", keys[1], at + 1, {"a": 2})]
    answers = place.target.apply_each(groups(place.collection, batch), now_ms=NOW_MS)

    assert sorted(answer.group.key for answer in answers) == sorted(keys)
    assert all(answer.error is None for answer in answers)
    for answer in answers:
        outcomes = {result.operation.id: result.outcome for result in answer.results}
        assert outcomes.keys() == {each.id for each in answer.group.operations}
    assert place.rows(keys) == place.reference(batch)
    again = place.target.apply_each(groups(place.collection, batch), now_ms=NOW_MS)
    assert {r.outcome for answer in again for r in answer.results} <= {DUPLICATE, SUPERSEDED}
    assert place.rows(keys) == place.reference(batch)


def test_no_records_have_no_answers(place):
    assert place.target.apply_each([], now_ms=NOW_MS) == []


def test_closing_twice_is_harmless(place):
    target = place.another()
    target.close()
    target.close()
