"""The oracle's fold, on histories written by hand and against the reference of the core."""

from __future__ import annotations

import ast
import sys
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core import reference
from syncpipe.demo.oracle import HistoryEntry, Oracle, expected
from syncpipe.demo.oracle.verdict import same
from tests.unit.core.histories import histories
from tests.unit.demo.oracle.entries import PLACE, entry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.core.operation import Operation
    from syncpipe.demo.oracle import ExpectedRecord
    from tests.unit.demo.oracle.entries import Kind


def record(*history: HistoryEntry) -> ExpectedRecord:
    """Return what a history makes of the record."""
    return expected(history)[PLACE]


def document(*history: HistoryEntry) -> dict[str, object] | None:
    """Return the document that a history makes, None when there is no record."""
    made = record(*history)
    return made.document if made.exists else None


def test_an_upsert_replaces_every_field() -> None:
    assert document(entry("upsert", 1, a=1, b=2), entry("upsert", 2, b=3)) == {"b": 3}


def test_an_older_upsert_that_arrives_later_changes_nothing() -> None:
    assert document(entry("upsert", 2, b=3), entry("upsert", 1, a=1)) == {"b": 3}


def test_equal_versions_are_ordered_by_tie() -> None:
    assert document(entry("upsert", 1, tie=9, a=9), entry("upsert", 1, tie=-3, a=3)) == {"a": 9}


def test_an_upsert_keeps_null_as_a_value() -> None:
    assert document(entry("upsert", 1, a=None)) == {"a": None}


def test_a_late_patch_under_a_newer_patch_still_sets_its_own_fields() -> None:
    history = entry("upsert", 1, a=1, b=1), entry("patch", 3, a=3), entry("patch", 2, a=2, b=2)

    assert document(*history) == {"a": 3, "b": 2}


def test_a_patch_replaces_nested_values_whole_and_null_removes() -> None:
    history = entry("upsert", 1, a={"x": 1, "y": 2}, b=1), entry("patch", 2, a={"x": 3}, b=None)

    assert document(*history) == {"a": {"x": 3}}


def test_a_patch_alone_makes_a_record() -> None:
    assert document(entry("patch", 1, a=None)) == {}


def test_a_deleted_record_does_not_exist_and_names_its_delete() -> None:
    made = record(entry("upsert", 1, a=1), entry("delete", 2))

    assert not made.exists
    assert made.newest == "delete@2"


@pytest.mark.parametrize("kind", ["upsert", "patch", "increment"])
def test_anything_newer_than_the_delete_makes_the_record_again_without_old_fields(
    kind: Kind,
) -> None:
    assert document(entry("upsert", 1, a=1, b=1), entry(kind, 3, a=5), entry("delete", 2)) == {
        "a": 5
    }


def test_increments_count_only_above_what_set_the_number() -> None:
    history = (
        entry("increment", 1, a=100),
        entry("upsert", 2, a=10),
        entry("increment", 3, a=1),
        entry("increment", 4, a=-3),
    )

    assert document(*reversed(history)) == {"a": 8}
    assert record(*history).fields["a"].setter == "upsert@2"
    assert record(*history).fields["a"].increments == ("increment@3", "increment@4")


def test_copies_of_an_increment_count_once() -> None:
    assert document(*[entry("increment", 1, a=5)] * 3, entry("increment", 2, a=1)) == {"a": 6}


@pytest.mark.parametrize("value", ["7", None, True, [1], {"x": 1}])
def test_an_increment_counts_from_zero_over_what_is_not_a_number(value: object) -> None:
    made = record(entry("upsert", 1, a=value), entry("increment", 2, a=3))

    assert same(made.document, {"a": 3})
    assert made.fields["a"].contributors == {"increment@2"}


@pytest.mark.parametrize(
    ("value", "amount", "total"),
    [
        (1, 2, 3),
        (1, Decimal("0.50"), Decimal("1.50")),
        (Decimal("0.1"), 2, Decimal("2.1")),
        (0.1, 2, Decimal("2.1")),
        (1e22, Decimal("0.01"), Decimal("10000000000000000000000.01")),
        (10**60, Decimal("1e-60"), Decimal("1" + "0" * 60 + "." + "0" * 59 + "1")),
    ],
)
def test_sums_are_exact_and_of_the_widest_type(
    value: object, amount: object, total: object
) -> None:
    assert same(
        document(entry("upsert", 1, a=value), entry("increment", 2, a=amount)), {"a": total}
    )


def test_an_increment_newer_than_a_removal_counts_from_zero() -> None:
    history = entry("upsert", 1, a=10), entry("patch", 2, a=None), entry("increment", 3, a=1)

    assert document(*history) == {"a": 1}


def test_records_are_kept_apart_by_collection_and_key() -> None:
    one, other = entry("upsert", 1, a=1), entry("upsert", 2, a=2)._replace(collection="fleets")

    assert {place: made.document for place, made in expected([one, other]).items()} == {
        PLACE: {"a": 1},
        ("fleets", "ORD"): {"a": 2},
    }


#: Random histories in which no two operations share an id.
distinct = histories.map(lambda ops: list({op.id: op for op in ops}.values()))


def entries(operations: Iterable[Operation]) -> list[HistoryEntry]:
    """Return the same operations in the oracle's words."""
    return [
        HistoryEntry(
            *PLACE,
            cast("Kind", operation.kind.word),
            operation.version,
            operation.stamp.tie,
            str(UUID(bytes=operation.id)),
            operation.data,
        )
        for operation in operations
    ]


@given(operations=distinct, data=st.data())
def test_the_oracle_agrees_with_the_reference_in_any_order(
    operations: list[Operation], data: st.DataObject
) -> None:
    history = entries(operations)
    shuffled = data.draw(st.permutations(history + history[::2]))

    made = expected(shuffled).get(PLACE)

    assert same(made.document if made and made.exists else None, reference.fold(operations))


@given(operations=distinct, data=st.data())
def test_forgetting_what_no_longer_matters_changes_no_value(
    operations: list[Operation], data: st.DataObject
) -> None:
    history = entries(operations)
    oracle = Oracle()
    for one in data.draw(st.permutations(history + history[::2])):
        oracle.add(one)

    assert oracle.expected() == expected(history)


def test_the_oracle_imports_nothing_of_the_code_it_judges() -> None:
    allowed = {*sys.stdlib_module_names, "psycopg"}
    folder = resources.files("syncpipe.demo.oracle")
    for file in folder.iterdir():
        if file.name.endswith(".py"):
            assert _imported(ast.parse(file.read_text(encoding="utf-8"))) <= allowed


def _imported(tree: ast.Module) -> set[str]:
    """Top-level packages that a module imports, without its own siblings."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {(node.module or "").partition(".")[0]} if node.level == 0 else set()
            assert node.level <= 1
    return names
