"""The meaning of operations, as naively as it can be said: sort by version and tie, then fold.

Everything fast (the coalescing delta, the SQL of the targets) must agree with this page. The state
of a record is a function of the *set* of operations, never of their order, grouping or repetition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.core.numbers import add, number
from syncpipe.core.operation import Kind, Operation

if TYPE_CHECKING:
    from collections.abc import Iterable


def fold(operations: Iterable[Operation]) -> dict[str, Any] | None:
    """Return the document that the set of *operations* on one record makes, or None."""
    state: dict[str, Any] | None = None
    unique = {operation.id: operation for operation in operations}
    for operation in sorted(unique.values(), key=lambda operation: operation.stamp):
        state = step(state, operation)
    return state


def step(state: dict[str, Any] | None, operation: Operation) -> dict[str, Any] | None:
    """Return the document after *operation*, which is newer than everything in *state*."""
    data = operation.fields
    match operation.kind:
        case Kind.UPSERT:
            return dict(data)
        case Kind.PATCH:
            merged = {**(state or {}), **data}
            return {
                name: value
                for name, value in merged.items()
                if not (name in data and value is None)
            }
        case Kind.DELETE:
            return None
        case Kind.INCREMENT:
            state = state or {}
            return {
                **state,
                **{name: add(number(state.get(name)), amount) for name, amount in data.items()},
            }
