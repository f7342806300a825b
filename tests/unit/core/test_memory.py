"""What a target remembers of a record, and how it judges by it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.memory import Memory, judge, recall
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.core.version import ZERO, Stamp, tie_of

stamps = st.builds(Stamp, st.integers(1, 9), st.integers(-9, 9))
fields = st.dictionaries(st.sampled_from("abc"), stamps)


def _operation(kind: Kind, version: int, data: dict | None = None, *, mark: int = 0) -> Operation:
    return Operation(bytes([*range(15), mark]), kind, "notes", "k", version, data)


def _stamp(operation: Operation) -> Stamp:
    return Stamp(operation.version, tie_of(operation.id))


@given(stamps, fields, fields)
def test_what_is_stored_comes_back_without_what_cannot_matter(base, writes, counted):
    memory = Memory(base, writes, counted)
    detail = memory.detail()

    recalled = recall(memory.newest, json.loads(json.dumps(detail)))

    kept = {name: stamp for name, stamp in writes.items() if stamp > base}
    assert recalled.base == base
    assert recalled.writes == kept
    assert recalled.counted == {n: s for n, s in counted.items() if s > kept.get(n, base)}


def test_in_the_common_case_there_is_no_detail():
    assert Memory(Stamp(7, 1)).detail() is None
    assert recall(Stamp(7, 1), None) == Memory(Stamp(7, 1))


@pytest.mark.parametrize(
    "operation",
    [
        _operation(Kind.UPSERT, 1, {}),
        _operation(Kind.DELETE, 1),
        _operation(Kind.PATCH, 1, {"a": 1}),
        _operation(Kind.INCREMENT, 1, {"a": 1}),
    ],
)
def test_anything_changes_a_record_that_nobody_has_written(operation):
    assert judge(operation, Memory()) is Outcome.APPLIED
    assert Memory().newest == ZERO


def test_a_repeat_is_a_duplicate_even_below_the_floor():
    put = _operation(Kind.UPSERT, 5, {"a": 1})
    patch = _operation(Kind.PATCH, 6, {"a": 1, "b": 2})
    increment = _operation(Kind.INCREMENT, 7, {"n": 1})

    assert judge(put, Memory(_stamp(put)), floor=9) is Outcome.DUPLICATE
    assert judge(patch, Memory(writes={"b": _stamp(patch)}), floor=9) is Outcome.DUPLICATE
    assert judge(increment, Memory(), {increment.id}, floor=9) is Outcome.DUPLICATE


def test_what_something_newer_decided_is_superseded_even_below_the_floor():
    memory = Memory(Stamp(5, 0), {"a": Stamp(8, 0)})

    assert judge(_operation(Kind.UPSERT, 4, {}), memory, floor=9) is Outcome.SUPERSEDED
    assert judge(_operation(Kind.PATCH, 7, {"a": 1}), memory, floor=9) is Outcome.SUPERSEDED
    assert judge(_operation(Kind.INCREMENT, 7, {"a": 1}), memory) is Outcome.SUPERSEDED


def test_a_patch_of_two_fields_counts_while_one_of_them_is_older():
    memory = Memory(Stamp(5, 0), {"a": Stamp(8, 0)})

    assert judge(_operation(Kind.PATCH, 7, {"a": 1, "b": 1}), memory) is Outcome.APPLIED


def test_equal_versions_are_ordered_by_the_tie():
    older, newer = (_operation(Kind.UPSERT, 5, {}, mark=mark) for mark in (1, 2))

    assert judge(newer, Memory(_stamp(older))) is Outcome.APPLIED
    assert judge(older, Memory(_stamp(newer))) is Outcome.SUPERSEDED


@pytest.mark.parametrize(("version", "outcome"), [(9, Outcome.TOO_LATE), (10, Outcome.APPLIED)])
def test_what_the_floor_has_overtaken_cannot_be_judged(version, outcome):
    assert judge(_operation(Kind.UPSERT, version, {}), Memory(), floor=9) is outcome
