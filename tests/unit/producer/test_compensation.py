from __future__ import annotations

import itertools
import sys
import uuid
from dataclasses import replace
from decimal import Decimal
from types import ModuleType

import pytest

from syncpipe.core.codec import encode
from syncpipe.core.collection import Collection, KeyType, VersionSource
from syncpipe.core.compensation import compensation_id
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import Priority
from syncpipe.core.version import milliseconds, next_version
from syncpipe.errors import CompensationFailed, ConfigError, OperationTooLarge
from syncpipe.producer.compensation import Compensator
from syncpipe.producer.draft import Draft
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom

FORM = "shop_for_tests:undo"
ORDERS = Collection("orders", ("crm",), compensation=FORM, priority=Priority.LOW)
COLLECTIONS = {
    each.name: each
    for each in (
        ORDERS,
        Collection("pairs", ("crm",), ("a", "b"), (KeyType.STR, KeyType.INT), compensation=FORM),
        Collection("prices", ("crm",), version=VersionSource.SOURCE, compensation=FORM),
        Collection("refunds", ("crm", "erp")),
        Collection("others", ("erp",)),
        Collection("plain", ("crm",), compensation="delete"),
        Collection("counts", ("crm",), compensation="negate"),
    )
}


@pytest.fixture
def shop(monkeypatch):
    module = ModuleType("shop_for_tests")
    module.undo = lambda _: None
    module.thing = object()
    monkeypatch.setitem(sys.modules, "shop_for_tests", module)
    return module


def operation(collection="orders", key="o-1", version=None, **members):
    id_ = uuid7(START_MS, 99)
    version = next_version(START_MS) if version is None else version
    group = uuid.UUID(int=7).bytes
    return Operation(
        id_, Kind.UPSERT, collection, key, version, {"a": 1}, group_id=group, **members
    )


def compensator():
    clock = FakeClock()
    clock.advance(60)
    return Compensator(COLLECTIONS, clock=clock, random=SeededRandom())


def undo(shop, drafted, undone=None, target="crm"):
    shop.undo = drafted if callable(drafted) else lambda _: drafted
    return compensator()(encode(undone or operation()), target, Priority.CRITICAL)


@pytest.mark.usefixtures("shop")
def test_words_need_no_function():
    undone = operation("plain")
    made = compensator()(encode(undone), "crm", Priority.HIGH)
    assert (made.operation.kind, made.priority) == (Kind.DELETE, Priority.HIGH)
    assert made.raw == encode(made.operation)


@pytest.mark.usefixtures("shop")
def test_an_undeclared_collection_is_left_as_it_is():
    assert compensator()(encode(operation("gone")), "crm", Priority.HIGH) is None


def test_a_function_sees_the_operation_and_says_what_undoes_it(shop):
    seen = []

    def drafted(each):
        seen.append(each)
        return Draft("orders", each.key, {"state": "cancelled"}, "patch")

    made = undo(shop, drafted)
    assert seen == [operation()]
    assert made.operation == Operation(
        compensation_id(operation()),
        Kind.PATCH,
        "orders",
        "o-1",
        next_version(START_MS + 60_000),
        {"state": "cancelled"},
    )
    assert made.priority is Priority.LOW  # its collection's


def test_a_function_may_do_nothing(shop):
    assert undo(shop, None) is None


@pytest.mark.parametrize(
    "drafted", [("refunds", "o-1", {"n": 1}), {"collection": "refunds", "key": "o-1", "data": {}}]
)
def test_tuples_dicts_and_other_records_are_fine(shop, drafted):
    made = undo(shop, drafted)
    assert (made.operation.collection, made.operation.kind) == ("refunds", Kind.UPSERT)
    assert milliseconds(made.operation.version) == START_MS + 60_000


def test_the_key_of_the_operation_is_a_key_again(shop):
    made = undo(
        shop, lambda each: Draft("pairs", each.key, None, "delete"), operation("pairs", "x~1y/7")
    )
    assert made.operation.key == "x~1y/7"


def test_a_priority_may_be_chosen(shop):
    assert undo(shop, Draft("orders", "o-1", {}, priority="high")).priority is Priority.HIGH


def test_versions_of_a_source_are_kept_or_given(shop):
    undone = operation("prices", "p", 41)
    kept = undo(shop, Draft("prices", "p", None, "delete"), undone)
    given = undo(shop, Draft("prices", "p", None, "delete", version=50), undone)
    assert (kept.operation.version, given.operation.version) == (41, 50)
    elsewhere = undo(shop, Draft("prices", "q", None, "delete", version=50))
    assert elsewhere.operation.version == 50


@pytest.mark.parametrize(
    ("drafted", "message"),
    [
        (7, "An item must be a Draft"),
        (Draft("nowhere", "k"), "no collection 'nowhere'"),
        (Draft("orders", 7), "key part 'id'"),
        (Draft("others", "k"), "others does not go to crm"),
        (Draft("orders", "k", {}, id=str(uuid.UUID(bytes=uuid7(1, 2)))), "chooses id"),
        (Draft("orders", "k", {}, delay=5, group_id=uuid.uuid4()), "chooses delay, group_id"),
        (Draft("orders", "k", {}, version=5), "chooses a version"),
        (Draft("prices", "k", {}), "give version="),
        (Draft(["orders"], "k"), "TypeError"),
        (lambda _: sys.exit(1), "raised SystemExit"),
    ],
)
def test_what_cannot_be_sent_is_told(shop, drafted, message):
    with pytest.raises(CompensationFailed, match=message):
        undo(shop, drafted)


def test_what_a_function_raises_is_named_without_what_it_says(shop):
    def drafted(_):
        raise KeyError("a customer's name")

    with pytest.raises(CompensationFailed, match="shop_for_tests:undo raised KeyError") as raised:
        undo(shop, drafted)
    assert "customer" not in str(raised.value)


@pytest.mark.usefixtures("shop")
def test_what_is_too_large_once_it_is_undone_is_told():
    id_, amounts = uuid7(START_MS, 99), {}
    for number in itertools.count():
        amounts[f"f{number}"] = Decimal(10**998)
        each = Operation(id_, Kind.INCREMENT, "counts", "k", next_version(START_MS), amounts)
        try:
            raw = encode(each)
        except OperationTooLarge:
            break
    with pytest.raises(CompensationFailed, match="limit"):
        compensator()(raw, "crm", Priority.HIGH)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    "form", ["shop_nowhere:undo", "shop_for_tests:gone", "shop_for_tests:thing"]
)
def test_a_function_that_is_not_there_is_told_at_once(form):
    collections = {"orders": replace(ORDERS, compensation=form)}
    with pytest.raises(ConfigError, match=r"collections\.orders\.compensation"):
        Compensator(collections, clock=FakeClock(), random=SeededRandom())
