from __future__ import annotations

from collections import Counter

import pytest

from syncpipe.app import App
from syncpipe.core.collection import Collection, KeyType
from syncpipe.demo.feed import Feeder
from syncpipe.demo.stream import COLLECTIONS, operations
from syncpipe.settings import Settings
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom

COUNT = 3_000
DECLARED = {
    name: Collection(name, ("demo",), key, (KeyType.STR,) * len(key))
    for name, key in COLLECTIONS.items()
}


@pytest.fixture(scope="module")
def feeder():
    app = App(settings=Settings(collections=DECLARED), clock=FakeClock(), random=SeededRandom())
    return Feeder(app, lambda _: None)


@pytest.fixture(scope="module")
def drafts(feeder):
    return list(feeder.drafts(COUNT, seed=5))


def test_every_operation_is_sent_as_often_as_the_stream_says(drafts):
    wanted = Counter(op.copies for op in operations(COUNT, seed=5))
    assert Counter(Counter(draft.id for draft in drafts).values()) == wanted


def test_versions_follow_the_positions_of_the_stream(drafts):
    first = {draft.id: draft for draft in reversed(drafts)}
    sent = list(dict.fromkeys(draft.id for draft in drafts))
    positions = [op.position for op in operations(COUNT, seed=5)]
    assert [first[id_].version - (START_MS << 16) for id_ in sent] == positions


def test_a_repeat_is_the_same_operation_and_comes_a_good_while_later(drafts):
    places = {}
    for place, draft in enumerate(drafts):
        places.setdefault(draft.id, []).append((place, draft))
    repeated = [found for found in places.values() if len(found) > 1]
    assert repeated
    for (first, original), *others in repeated:
        assert all(draft == original for _, draft in others)
        assert min(place for place, _ in others) - first > 1 or first > COUNT * 0.9


def test_ids_tell_when_an_operation_was_given_to_the_client(drafts):
    assert {draft.id.int >> 80 for draft in drafts} == {START_MS}


def test_the_oracle_knows_every_record_that_was_sent_to(feeder, drafts):
    keys = {(draft.collection, draft.key) for draft in drafts}
    assert len(feeder.oracle.expected()) == len(keys)
