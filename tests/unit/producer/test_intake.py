"""A call is checked, stamped, encoded and routed, or refused at once."""

from __future__ import annotations

import uuid

import pytest

from syncpipe.core.codec import MAX_OPERATION_BYTES, decode_all
from syncpipe.core.operation import Kind
from syncpipe.core.routing import Priority, parse_queue, shard_of
from syncpipe.errors import (
    InvalidKey,
    InvalidOperation,
    InvalidValue,
    InvalidVersion,
    OperationTooLarge,
    UnknownCollection,
)
from syncpipe.producer.draft import Draft
from syncpipe.producer.intake import Intake
from syncpipe.producer.stamps import Stamper
from syncpipe.testing.clock import FakeClock, SeededRandom
from tests.unit.producer.parts import COLLECTIONS

ID = "019b76da-a800-7c21-a29f-6fbed82c07cd"


@pytest.fixture
def intake():
    return Intake(COLLECTIONS, 8, Stamper(FakeClock(), SeededRandom()))


def _operation(accepted):
    ((operation, _),) = decode_all(accepted.data)
    return operation


@pytest.mark.parametrize(
    ("kind", "data"),
    [("upsert", {"a": 1}), ("patch", {"a": None}), ("increment", {"a": 1}), ("delete", None)],
)
def test_an_accepted_operation_holds_what_was_asked_for(intake, kind, data):
    accepted = intake.accept(Draft("orders", "o-1", data, kind))

    operation = _operation(accepted)
    assert (operation.kind.word, operation.collection, operation.key) == (kind, "orders", "o-1")
    assert operation.data == data
    assert (operation.id, operation.version) == (accepted.operation_id, accepted.version)
    assert operation.uuid == accepted.name.id


def test_there_is_one_route_for_each_target_on_the_shard_of_the_key(intake):
    accepted = intake.accept(Draft("people", "p-1", {}))

    parsed = [parse_queue(route.queue) for route in accepted.routes]
    assert [lane.target for lane, _ in parsed] == ["crm", "search"]
    assert {lane.shard for lane, _ in parsed} == {shard_of("people", "p-1", 8)}
    assert parsed == [(route.lane, route.priority) for route in accepted.routes]


@pytest.mark.parametrize(
    ("given", "taken"),
    [(None, Priority.HIGH), ("low", Priority.LOW), (Priority.CRITICAL, Priority.CRITICAL)],
)
def test_the_priority_is_the_calls_or_else_the_collections(intake, given, taken):
    (route,) = intake.accept(Draft("orders", "o-1", {}, priority=given)).routes

    assert route.priority is taken


def test_data_that_changes_afterwards_does_not_change_the_operation(intake):
    data = {"lines": [1]}
    accepted = intake.accept(Draft("orders", "o-1", data))
    data["lines"].append(2)

    assert _operation(accepted).data == {"lines": [1]}


def test_a_repeat_has_the_same_bytes(intake):
    first = intake.accept(Draft("orders", "o-1", {"a": 1}))
    again = intake.accept(Draft("orders", "o-1", {"a": 1}, id=first.name.id, version=first.version))
    by_uuid = intake.accept(
        Draft("orders", "o-1", {"a": 1}, id=uuid.UUID(first.name.id), version=first.version)
    )

    assert first.data == again.data == by_uuid.data


def test_the_source_gives_the_version_and_may_give_the_id(intake):
    accepted = intake.accept(Draft("prices", "p", {"a": 1}, version=7))
    named = intake.accept(Draft("prices", "p", {"a": 1}, id=ID, version=8))

    assert accepted.version == 7
    assert (named.name.id, named.version) == (ID, 8)


@pytest.mark.parametrize(
    ("draft", "error", "says"),
    [
        (Draft("nowhere", "k", {}), UnknownCollection, "nowhere"),
        (Draft(["orders"], "k", {}), UnknownCollection, "orders"),
        (Draft("orders", 7, {}), InvalidKey, "id"),
        (Draft("orders", "", {}), InvalidKey, "id"),
        (Draft("lines", ("o",), {}), InvalidKey, "order, line"),
        (Draft("orders", "o-1", {"id": "o-2"}), InvalidKey, "id"),
        (Draft("lines", ("o", 1), {"line": None}, "patch"), InvalidKey, "line"),
        (Draft("lines", ("o", 1), {"line": 1}, "increment"), InvalidKey, "key"),
        (Draft("orders", "o-1", {"a": {1}}), InvalidValue, r"data\.a"),
        (Draft("orders", "o-1", None), InvalidValue, "dict"),
        (Draft("orders", "o-1", {}, "patch"), InvalidValue, "at least one"),
        (Draft("orders", "o-1", {}, "increment"), InvalidValue, "at least one"),
        (Draft("orders", "o-1", {"a": 1.5}, "increment"), InvalidValue, "float"),
        (Draft("orders", "o-1", {"a": 1}, "delete"), InvalidValue, "delete"),
        (Draft("orders", "o-1", {}, "replace"), InvalidOperation, "upsert, patch"),
        (Draft("orders", "o-1", {}, ["upsert"]), InvalidOperation, "upsert, patch"),
        (Draft("orders", "o-1", {}, priority="urgent"), InvalidOperation, "critical, high"),
        (Draft("orders", "o-1", {}, priority=1), InvalidOperation, "critical, high"),
        (Draft("orders", "o-1", {}, version=7), InvalidVersion, "id="),
        (Draft("orders", "o-1", {}, id=ID), InvalidVersion, "version="),
        (Draft("orders", "o-1", {}, id=ID, version=7, after=6), InvalidVersion, "after="),
        (Draft("orders", "o-1", {}, id=ID, version=0), InvalidVersion, "64-bit"),
        (Draft("orders", "o-1", {}, id=ID, version=2**63), InvalidVersion, "64-bit"),
        (Draft("orders", "o-1", {}, after=-1), InvalidVersion, "64-bit"),
        (Draft("orders", "o-1", {}, id="x", version=7), InvalidOperation, "UUID"),
        (Draft("orders", "o-1", {}, id=7, version=7), InvalidOperation, "UUID"),
        (Draft("orders", "o-1", {}, id=str(uuid.uuid4()), version=7), InvalidOperation, "UUIDv7"),
        (Draft("prices", "p", {}), InvalidVersion, "version="),
        (Draft("prices", "p", {}, version=-1), InvalidVersion, "64-bit"),
        (Draft("prices", "p", {}, version=7, after=6), InvalidVersion, "after="),
        (Draft("prices", "p", {"a": 1}, "increment", version=7), InvalidOperation, "increments"),
    ],
)
def test_what_cannot_be_accepted_is_refused_with_a_reason(intake, draft, error, says):
    with pytest.raises(error, match=says):
        intake.accept(draft)


def test_an_operation_of_more_than_1_mib_is_refused(intake):
    with pytest.raises(OperationTooLarge):
        intake.accept(Draft("orders", "o-1", {"text": "x" * MAX_OPERATION_BYTES}))


def test_kinds_are_accepted_as_such(intake):
    assert _operation(intake.accept(Draft("orders", "o", None, Kind.DELETE))).kind is Kind.DELETE
