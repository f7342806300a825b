"""The target in memory means what the reference means, and can be broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core import reference
from syncpipe.core.collection import Collection
from syncpipe.core.operation import Kind, Operation
from syncpipe.errors import Refused, TargetUnavailable
from syncpipe.targets.target import Group
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.target import MemoryTarget
from tests.unit.core.histories import histories

NOTES = Collection("notes", ("crm",))


def _group(*operations, key="k"):
    unique = {operation.id: operation for operation in operations}.values()
    return Group(NOTES, key, tuple(sorted(unique, key=lambda operation: operation.stamp)))


def _upsert(version, data, mark=1):
    return Operation(bytes([mark] * 16), Kind.UPSERT, "notes", "k", version, data)


@pytest.fixture
def target():
    return MemoryTarget("crm", clock=FakeClock())


@given(st.data(), histories)
def test_any_batching_in_any_order_equals_the_reference(data, history):
    target = MemoryTarget("crm", clock=FakeClock())
    left = data.draw(st.permutations(history + history[:3]))
    while left:
        size = data.draw(st.integers(1, len(left)))
        target.apply([_group(*left[:size])], now_ms=1)
        left = left[size:]

    assert target.record("notes", "k") == reference.fold(history)


def test_a_planned_failure_is_raised_as_often_as_it_says_and_writes_nothing(target):
    target.fail(TargetUnavailable("Down."), times=2)
    for _ in range(2):
        with pytest.raises(TargetUnavailable):
            target.apply([_group(_upsert(1, {}))], now_ms=1)
    assert target.record("notes", "k") is None

    target.apply([_group(_upsert(1, {}))], now_ms=1)
    assert target.record("notes", "k") == {}


def test_a_failure_of_one_key_leaves_the_others_alone(target):
    target.fail(Refused("No."), times=None, key="bad")
    target.apply([_group(_upsert(1, {"a": 1}))], now_ms=1)
    for _ in range(3):
        with pytest.raises(Refused):
            target.apply([_group(_upsert(1, {}), key="bad")], now_ms=1)

    assert target.keys("notes") == ["k"]


def test_a_record_that_is_shown_cannot_be_changed_from_outside(target):
    target.apply([_group(_upsert(1, {"a": 1}))], now_ms=1)
    target.record("notes", "k")["a"] = 2

    assert target.record("notes", "k") == {"a": 1}
