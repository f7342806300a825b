"""Items of send_many."""

from __future__ import annotations

import pytest

from syncpipe.core.operation import Kind
from syncpipe.errors import InvalidOperation
from syncpipe.producer.draft import Draft, draft_of

DRAFT = Draft("orders", "o-1", {"total": 1})


@pytest.mark.parametrize(
    "item",
    [
        DRAFT,
        ("orders", "o-1", {"total": 1}),
        ("orders", "o-1", {"total": 1}, Kind.UPSERT),
        {"collection": "orders", "key": "o-1", "data": {"total": 1}},
    ],
)
def test_tuples_and_dicts_are_drafts(item):
    assert draft_of(item) == DRAFT


@pytest.mark.parametrize(
    "item",
    [
        (),
        ("orders",),
        tuple(range(13)),
        {"collection": "orders", "key": "o-1", "colour": "red"},
        {"key": "o-1"},
        {7: "orders"},
        ["orders", "o-1"],
        "orders",
        None,
    ],
)
def test_anything_else_is_refused(item):
    with pytest.raises(InvalidOperation):
        draft_of(item)
