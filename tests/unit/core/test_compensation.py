from __future__ import annotations

import uuid
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from syncpipe.core.collection import Collection, VersionSource
from syncpipe.core.compensation import (
    compensation_id,
    is_function,
    own_version,
    undoing,
)
from syncpipe.core.operation import Kind, Operation, created_ms, uuid7
from syncpipe.core.reference import fold
from syncpipe.core.version import milliseconds, next_version

NOW_MS = 1_800_000_000_000
GROUP = uuid.UUID(int=7).bytes
DELETES, NEGATES = (Collection("orders", ("crm",), compensation=c) for c in ("delete", "negate"))
ids = st.builds(uuid7, st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))


def operation(kind=Kind.UPSERT, data=None, number=1, version=None):
    version = next_version(NOW_MS - 5000) if version is None else version
    id_ = uuid7(NOW_MS - 5000, number)
    return Operation(id_, kind, "orders", "k", version, data, group_id=GROUP)


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("shop.orders:cancel", True),
        ("shop:Orders.cancel", True),
        ("shop", False),
        ("shop:", False),
        (":cancel", False),
        ("shop.orders:cancel()", False),
        ("shop orders:cancel", False),
        ("shop..orders:cancel", False),
        ("delete", False),
    ],
)
def test_functions_are_told_from_words(form, names):
    assert is_function(form) is names


@given(ids)
def test_ids_are_those_of_a_uuid7_of_the_same_moment(id_):
    undone = structs.replace(operation(), id=id_)
    found = uuid.UUID(bytes=compensation_id(undone))
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert created_ms(found.bytes) == created_ms(id_)
    assert found.bytes == compensation_id(undone)
    assert found.bytes != id_


@given(st.integers(0, 2**62 - 2))
def test_nothing_stands_between_an_operation_and_what_undoes_it_at_its_version(low):
    undone = operation(number=low)
    tie = undone.stamp.tie
    assert structs.replace(undone, id=compensation_id(undone)).stamp.tie == tie + 1


def test_upserts_and_patches_are_deleted_by_what_is_new():
    for kind in (Kind.UPSERT, Kind.PATCH):
        undone = operation(kind, {"a": 1})
        undo = undoing(undone, DELETES, NOW_MS)
        assert (undo.kind, undo.collection, undo.key, undo.data) == (
            *(Kind.DELETE, "orders", "k"),
            None,
        )
        assert milliseconds(undo.version) == NOW_MS
        assert undo.group_id is None


def test_a_clock_that_is_behind_makes_it_newer_all_the_same():
    undone = operation(data={})
    assert undoing(undone, DELETES, NOW_MS - 60_000).version == undone.version + 1


def test_increments_are_negated_exactly():
    amounts = {"n": 3, "price": Decimal("-1.10"), "big": Decimal("1e-400"), "huge": 10**40}
    undone = operation(Kind.INCREMENT, amounts)
    undo = undoing(undone, NEGATES, NOW_MS)
    assert undo.kind is Kind.INCREMENT
    assert undo.data == {
        "n": -3,
        "price": Decimal("1.10"),
        "big": Decimal("-1e-400"),
        "huge": -(10**40),
    }


@pytest.mark.parametrize("first", ["upsert", "increment"])
def test_a_negation_counts_exactly_where_its_increment_does(first):
    """Whatever has set the number, even at the same version, before or after."""
    for number in (0, 3, 2**61):
        undone = operation(Kind.INCREMENT, {"n": 5}, number=1)
        undo = undoing(undone, NEGATES, NOW_MS)
        setter = operation(Kind.UPSERT, {"n": 10}, number=number, version=undone.version)
        history = [undone, undo, setter] if first == "increment" else [setter, undone, undo]
        assert fold(history) == {"n": 10}


@pytest.mark.parametrize(
    ("collection", "kind"),
    [
        (DELETES, Kind.INCREMENT),
        (DELETES, Kind.DELETE),
        (NEGATES, Kind.UPSERT),
        (NEGATES, Kind.PATCH),
        (NEGATES, Kind.DELETE),
        (replace(DELETES, compensation=""), Kind.UPSERT),
        (replace(DELETES, compensation=""), Kind.INCREMENT),
    ],
)
def test_the_rest_stays_as_it_is(collection, kind):
    data = None if kind is Kind.DELETE else {"n": 1}
    assert undoing(operation(kind, data), collection, NOW_MS) is None


def test_versions_of_a_source_are_kept_and_the_next_of_the_source_wins():
    source = replace(DELETES, version=VersionSource.SOURCE)
    undone = operation(data={"a": 1}, version=41)
    undo = undoing(undone, source, NOW_MS)
    assert own_version(undone, source, NOW_MS) == undo.version == 41
    assert undone.stamp < undo.stamp < operation(version=42).stamp
    assert fold([undone, undo]) is None
