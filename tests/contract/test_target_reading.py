"""What every target says of a record as it is now."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from syncpipe.core.memory import Memory, judge
from syncpipe.core.outcome import Outcome
from syncpipe.targets.target import Present
from tests.contract.targets import TARGETS
from tests.integration.targets.places import groups, new_key, operation, typed

#: Targets that can be asked for their records.
TELLING = [name for name in TARGETS if not name.startswith("http")]


@pytest.fixture(scope="module", params=TELLING)
def place(request):
    opened, server = TARGETS[request.param]
    with opened(request.getfixturevalue(server) if server else None) as place:
        yield place


def read(place, *keys):
    return place.target.read(place.collection, keys)


def present(place, key):
    return read(place, key)[key]


def test_an_endpoint_cannot_say(key, at):
    with TARGETS["http-gzip"][0](None) as place:
        place.apply(operation("upsert", key, at, {"a": 1}))
        assert read(place, key) is None


def test_what_never_was_is_not_there(place, key):
    assert present(place, key) == Present(None, Memory())
    assert read(place) == {}


def test_fields_are_read_with_their_values(place, key, at):
    document = {"a": 2**62, "b": Decimal("1.50"), "c": {"~x": ["~y", None, 0.5, True]}}
    place.apply(operation("upsert", key, at, document))

    assert typed(present(place, key).document) == typed(document)


def test_values_that_json_does_not_know_are_read(place, key, at):
    value = [
        Decimal("12.50"),
        b"\x00\xff",
        dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC),
        dt.date(2026, 1, 2),
        dt.time(3, 4),
        uuid.UUID(int=7),
        10**5000,
    ]
    place.apply(operation("upsert", key, at, {"c": value}))

    assert typed(present(place, key).document) == typed({"c": value})


def test_the_version_is_that_of_what_was_applied(place, key, at):
    upsert, patch = (
        operation("upsert", key, at + 1, {"a": 1}),
        operation("patch", key, at + 3, {"b": Decimal(2)}),
    )
    place.apply(upsert)
    assert present(place, key).memory == Memory(base=upsert.stamp)

    place.apply(patch)
    memory = present(place, key).memory
    assert memory == Memory(upsert.stamp, {"b": patch.stamp})
    assert judge(operation("patch", key, at + 2, {"b": 3}), memory) is Outcome.SUPERSEDED
    assert judge(operation("patch", key, at + 2, {"a": 3}), memory) is Outcome.APPLIED


def test_what_was_deleted_is_gone_and_remembered(place, key, at):
    delete = operation("delete", key, at + 1)
    place.apply(operation("upsert", key, at, {"a": 1}), delete)

    assert present(place, key) == Present(None, Memory(base=delete.stamp))


def test_many_are_read_at_once_and_each_has_an_answer(place, at):
    keys = [new_key("каждый/~") for _ in range(300)]
    place.apply(*(operation("upsert", key, at, {"c": key}) for key in keys[::2]))
    documents = {key: each.document for key, each in read(place, *keys).items()}
    assert documents == {key: {"c": key} if key in keys[::2] else None for key in keys}


def test_whoever_reads_waits_for_no_lock_and_changes_nothing(place, key, at):
    place.apply(operation("upsert", key, at, {"a": 1}))
    with place.locked(key):
        present(place, key)
    assert place.rows([key])[key] == place.meant({"a": 1})
    change = operation("upsert", key, at + 1, {"a": 2})
    place.target.apply(groups(place.collection, [change]), now_ms=place.target.now_ms())
    assert present(place, key).document == {"a": 2}
