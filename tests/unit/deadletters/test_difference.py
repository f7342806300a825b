"""What an operation would make of a record, field by field."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest
from hypothesis import given

from syncpipe.core import reference
from syncpipe.core.delta import fold
from syncpipe.core.memory import Memory, judge
from syncpipe.core.operation import KINDS, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.deadletters.difference import ABSENT, difference, same
from syncpipe.targets.target import Present
from tests.unit.core.histories import histories


def operation(kind, data=None, *, version=10, id_=1):
    return Operation(id_.to_bytes(16, "big"), KINDS[kind], "orders", "k", version, data)


def present(document, version=5):
    return Present(document, Memory(base=operation("upsert", {}, version=version, id_=9).stamp))


def words(kind, data, document, *, effective=True):
    found = difference(operation(kind, data), present(document), effective=effective)
    return {each.name: each.word for each in found}


def test_an_upsert_sets_its_fields_and_removes_the_others():
    found = words("upsert", {"a": 1, "b": 2, "n": 5}, {"a": 1, "b": 1, "c": 3})
    assert found == {"a": "same", "b": "changed", "c": "removed", "n": "added"}


def test_a_patch_touches_what_it_names_and_null_removes():
    found = words("patch", {"a": None, "b": 2, "x": None}, {"a": 1, "c": 3})
    assert found == {"a": "removed", "b": "added", "c": "same", "x": "same"}


def test_an_increment_adds():
    (field,) = difference(operation("increment", {"n": 5}), present({"n": 2}), effective=True)
    assert (field.sent, field.now, field.becomes, field.word) == (5, 2, 7, "changed")


def test_a_delete_removes_everything():
    assert words("delete", None, {"a": 1, "b": 2}) == {"a": "removed", "b": "removed"}


def test_where_the_record_is_newer_it_is_kept_against_what_was_sent():
    found = words("upsert", {"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3}, effective=False)
    assert found == {"a": "same", "b": "kept", "c": "same"}


def test_a_patched_field_above_an_upsert_is_kept():
    patch = operation("patch", {"a": 7}, version=20, id_=3)
    memory = Memory(present({}).memory.base, {"a": patch.stamp})
    found = difference(
        operation("upsert", {"a": 1, "b": 1}), Present({"a": 7}, memory), effective=True
    )
    assert {each.name: each.becomes for each in found} == {"a": 7, "b": 1}


def test_of_nothing_everything_is_new():
    assert words("upsert", {"a": 1, "b": None}, None) == {"a": "added", "b": "same"}


@given(histories.filter(bool))
def test_it_agrees_with_the_meaning_of_operations(history):
    """A record made of all but the last operation becomes what the whole history means."""
    *earlier, last = sorted(history, key=lambda each: each.stamp)
    before, after = reference.fold(earlier), reference.fold([*earlier, last])
    delta = fold(earlier)
    memory = Memory(delta.base, {name: write.stamp for name, write in delta.writes.items()})
    effective = judge(last, memory) is Outcome.APPLIED
    found = difference(last, Present(before, memory), effective=effective)
    becomes = {each.name: each.becomes for each in found if each.becomes is not ABSENT}
    assert becomes == {name: v for name, v in (after or {}).items() if v is not None}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, Decimal("1.00")),
        (0.5, Decimal("0.50")),
        (10**30, Decimal(10) ** 30),
        ({"a": [1, {"b": 2.0}]}, {"a": [Decimal(1), {"b": 2}]}),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (12, "12"),
        (
            dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC),
            dt.datetime(2026, 1, 2, 4, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        ),
    ],
)
def test_what_a_target_takes_for_the_same_is_the_same(left, right):
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [(1, True), (None, 0), ("a", "b"), ([1], [1, 2]), ({"a": 1}, {"b": 1}), (ABSENT, None), (1, 2)],
)
def test_what_differs_is_not(left, right):
    assert not same(left, right)
    assert not same(right, left)
