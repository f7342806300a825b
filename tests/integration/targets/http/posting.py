"""How tests apply operations over HTTP, and what comes of it."""

from __future__ import annotations

import pytest

from tests.integration.targets.http.endpoint import NOTES
from tests.integration.targets.places import YOUNG, groups, new_key, operation


def upsert(**data):
    return operation("upsert", new_key(), YOUNG, data or {"a": 1})


def apply(target, *operations):
    return target.apply(groups(NOTES, operations), now_ms=0)


def outcomes(target, *operations):
    found = {r.operation.id: r.outcome for r in apply(target, *operations)}
    return [found[each.id] for each in operations]


def failing(target, kind, *operations):
    """The error that applying raises, exactly of this *kind*."""
    with pytest.raises(kind) as caught:
        apply(target, *(operations or [upsert()]))
    assert type(caught.value) is kind
    return caught.value
