"""What the oracle calls lost, wrong, missing and extra."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from syncpipe.demo.oracle import ActualRow, HistoryEntry, Unreadable, compare, expected
from syncpipe.demo.oracle.verdict import MAX_EXAMPLES, MAX_SHOWN, same
from tests.unit.demo.oracle.entries import PLACE, entry

HISTORY = (
    entry("upsert", 1, a=1, b="x", n=10),
    entry("patch", 2, b=None, c=[1]),
    entry("increment", 3, n=5),
    entry("increment", 4, n=5),
)
RIGHT = {"a": 1, "c": [1], "n": 20}


def row(document: object) -> ActualRow:
    """Return a row of the record that holds ``document``."""
    return ActualRow(*PLACE, document)


def test_the_right_rows_have_no_mismatch_and_nothing_lost() -> None:
    verdict = compare(expected(HISTORY), [row(RIGHT)])

    assert (verdict.records, verdict.lost, verdict.mismatches) == (1, 0, 0)
    assert verdict.wrong == verdict.missing == verdict.extra == ()


@pytest.mark.parametrize(
    ("document", "lost"),
    [
        pytest.param({**RIGHT, "a": 2}, 1, id="another value loses its setter"),
        pytest.param({**RIGHT, "a": True}, 1, id="another type is another value"),
        pytest.param({"c": [1], "n": 20}, 1, id="an absent field loses its setter"),
        pytest.param({"n": 20}, 2, id="two absent fields lose both setters"),
        pytest.param({**RIGHT, "n": 15}, 1, id="a wrong sum loses at least one"),
        pytest.param({"a": 1, "c": [1]}, 3, id="an absent sum loses its setter and increments"),
        pytest.param({**RIGHT, "b": "x"}, 1, id="a field still there loses its removal"),
        pytest.param({**RIGHT, "z": 0}, 1, id="a field no one wrote loses what cleared it"),
        pytest.param({}, 4, id="an empty document loses all that is visible"),
        pytest.param([RIGHT], 4, id="not a document"),
        pytest.param(Unreadable("~?"), 4, id="unreadable"),
    ],
)
def test_a_wrong_row_is_one_mismatch_and_loses_what_it_does_not_show(
    document: object, lost: int
) -> None:
    verdict = compare(expected(HISTORY), [row(document)])

    assert (verdict.mismatches, verdict.lost) == (1, lost)
    assert len(verdict.wrong) == 1


def test_an_example_names_the_first_field_with_both_values() -> None:
    example = compare(expected(HISTORY), [row({**RIGHT, "n": 15})]).wrong[0]

    assert (example.collection, example.key) == PLACE
    assert (example.field, example.expected, example.actual) == ("n", "20", "15")


def test_an_absent_field_is_shown_as_absent() -> None:
    example = compare(expected(HISTORY), [row({"c": [1], "n": 20})]).wrong[0]

    assert (example.field, example.expected, example.actual) == ("a", "1", "(absent)")


def test_a_missing_row_loses_every_visible_operation() -> None:
    verdict = compare(expected(HISTORY), [])

    assert (verdict.mismatches, verdict.lost) == (1, 4)
    assert verdict.missing[0].field is None


def test_a_missing_row_without_fields_loses_what_made_it() -> None:
    verdict = compare(expected([entry("upsert", 1)]), [])

    assert (verdict.mismatches, verdict.lost) == (1, 1)


def test_a_record_that_should_be_deleted_loses_its_delete() -> None:
    verdict = compare(expected([*HISTORY, entry("delete", 5)]), [row(RIGHT)])

    assert (verdict.records, verdict.mismatches, verdict.lost) == (0, 1, 1)
    assert len(verdict.extra) == 1


def test_a_field_that_a_patch_should_have_removed_loses_that_patch() -> None:
    history = entry("patch", 1, a=1, b=1), entry("patch", 2, b=None)

    verdict = compare(expected(history), [row({"a": 1, "b": 1})])

    assert (verdict.mismatches, verdict.lost) == (1, 1)


def test_a_deleted_record_without_a_row_is_right() -> None:
    assert compare(expected([entry("delete", 5)]), []).mismatches == 0


def test_a_row_of_an_unknown_record_is_extra_and_loses_nothing() -> None:
    verdict = compare(expected(HISTORY), [row(RIGHT), ActualRow("airports", "?", {})])

    assert (verdict.mismatches, verdict.lost) == (1, 0)
    assert verdict.extra[0].key == "?"


def test_a_second_row_of_one_record_is_extra() -> None:
    assert len(compare(expected(HISTORY), [row(RIGHT), row(RIGHT)]).extra) == 1


def test_every_mismatch_is_counted_and_few_are_kept() -> None:
    history = [
        HistoryEntry("airports", str(i), "upsert", 1, 0, f"op{i}", {"a": 1}) for i in range(50)
    ]

    verdict = compare(expected(history), [])

    assert (verdict.mismatches, verdict.lost) == (50, 50)
    assert len(verdict.missing) == MAX_EXAMPLES


@pytest.mark.parametrize("value", ["x" * 10_000, 10**5000, list(range(1000))], ids=type)
def test_huge_values_are_shown_short(value: object) -> None:
    example = compare(expected([entry("upsert", 1, a=value)]), [row({"a": 0})]).wrong[0]

    assert 0 < len(example.expected) <= MAX_SHOWN


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, 1.0),
        (1, True),
        (1, Decimal(1)),
        (None, 0),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1.0}]}),
        (
            datetime(2024, 1, 1, 12, tzinfo=UTC),
            datetime(2024, 1, 1, 13, tzinfo=timezone(timedelta(hours=1))),
        ),
        (
            datetime(2024, 1, 1, 12, tzinfo=UTC),
            datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
)
def test_values_of_another_type_order_or_offset_are_not_the_same(
    left: object, right: object
) -> None:
    assert not same(left, right)
    assert same(left, left)
    assert same(right, right)


def test_decimals_are_the_same_by_value() -> None:
    assert same(Decimal("1.5"), Decimal("1.50"))
