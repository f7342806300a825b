"""The delta equals the reference fold and is a join."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core import delta, reference
from syncpipe.core.operation import KINDS, Operation
from tests.unit.core.histories import histories


@given(st.data(), histories)
def test_folding_in_any_order_with_repetition_equals_the_reference(
    data: st.DataObject, history: list[Operation]
) -> None:
    delivered = data.draw(st.permutations(history + data.draw(st.permutations(history))[:3]))

    assert delta.document_of(delta.fold(delivered)) == reference.fold(history)


@given(histories, histories, histories)
def test_merge_is_associative_commutative_and_idempotent(
    first: list[Operation], second: list[Operation], third: list[Operation]
) -> None:
    one, two, three = delta.fold(first), delta.fold(second), delta.fold(third)

    assert delta.merge(one, two) == delta.merge(two, one)
    assert delta.merge(one, delta.merge(two, three)) == delta.merge(delta.merge(one, two), three)
    assert delta.merge(one, one) == one


def test_a_late_patch_below_a_newer_one_still_sets_its_own_field() -> None:
    history = [
        _operation(1, "upsert", {"a": 1, "b": 1}),
        _operation(3, "patch", {"a": 3}),
        _operation(2, "patch", {"a": 2, "b": 2}),
    ]

    assert delta.document_of(delta.fold(history)) == {"a": 3, "b": 2}


def _operation(version: int, kind: str, data: dict[str, object]) -> Operation:
    return Operation(version.to_bytes(16, "big"), KINDS[kind], "notes", "k", version, data)
