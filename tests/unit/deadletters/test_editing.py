"""From a dead letter and a wish to the operation that takes its place."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from syncpipe.core.codec import decode_all
from syncpipe.core.collection import Collection, KeyType, VersionSource
from syncpipe.core.deadletter import operation_of
from syncpipe.core.operation import KINDS, Operation
from syncpipe.core.version import ZERO, Stamp, at_milliseconds
from syncpipe.deadletters.editing import Wish, changed_fields, edited, edited_letter
from syncpipe.errors import InvalidKey, InvalidValue, InvalidVersion, NotPossible, OperationTooLarge
from tests.contract.test_deadletters import dead

NOW = 1_800_000_000_000
ORDERS = Collection("orders", ("crm",), key=("id",), key_types=(KeyType.STR,))
SOURCED = Collection("orders", ("crm",), version=VersionSource.SOURCE)
DATA = {"id": "k", "total": Decimal("-5.0"), "name": "Ann", "big": 2**70}


def operation(kind="upsert", data=DATA, **members):
    plain = Operation(b"\1" * 16, KINDS[kind], "orders", "k", 7, data)
    return structs.replace(plain, **members)


def edit(wish, original=None, collection=ORDERS, newest=ZERO):
    original = original or operation()
    return edited(original, wish, collection, id_=b"\2" * 16, now_ms=NOW, newest=newest)


def test_fields_are_set_and_removed_and_the_rest_stays():
    made = edit(Wish({"total": 5, "tags": ["a", {"b": None}]}, frozenset({"name"})))
    assert made.data == {"id": "k", "total": 5, "big": 2**70, "tags": ["a", {"b": None}]}
    assert (made.kind, made.key, made.version) == (KINDS["upsert"], "k", 7)
    assert made.id == b"\2" * 16


def test_a_field_that_is_not_there_cannot_be_removed():
    with pytest.raises(NotPossible, match="no field 'nmae'"):
        edit(Wish({"total": 5}, frozenset({"nmae", "name"})))


def test_values_keep_the_types_that_json_lacks():
    made = edit(Wish({"total": Decimal("1.50"), "at": "~d2026-01-02", "share": Decimal("0.5")}))
    assert made.data["total"] == Decimal("1.50")
    assert made.data["at"] == dt.date(2026, 1, 2)
    assert type(made.data["total"]) is Decimal
    assert type(made.data["share"]) is float


def test_amounts_stay_exact():
    made = edit(Wish({"n": Decimal("0.1")}), operation("increment", {"n": 1}))
    assert made.data == {"n": Decimal("0.1")}
    assert type(made.data["n"]) is Decimal


def test_it_is_due_at_once_and_of_no_group():
    original = operation(not_before_ms=1, expires_ms=2, group_id=b"g" * 16)
    made = edit(Wish({"name": "Bob"}), original)
    assert (made.not_before_ms, made.expires_ms, made.group_id) == (0, 0, None)


def test_as_of_now_it_is_newer_than_the_record_and_the_original():
    assert edit(Wish(as_of_now=True)).version == at_milliseconds(NOW)
    newest = Stamp(at_milliseconds(NOW + 5), 0)
    assert edit(Wish(as_of_now=True), newest=newest).version == newest.version + 1


def test_where_the_source_gives_versions_a_new_one_is_given():
    assert edit(Wish({"name": "Bob"}), collection=SOURCED).version == 7
    assert edit(Wish(version=9), collection=SOURCED).version == 9
    for wish in (Wish(as_of_now=True), Wish(version=0), Wish(version=2**63)):
        with pytest.raises(InvalidVersion):
            edit(wish, collection=SOURCED)
    with pytest.raises(InvalidVersion):
        edit(Wish(version=9))


@pytest.mark.parametrize(
    ("wish", "kind", "data", "error"),
    [
        (Wish({"id": "other"}), "upsert", DATA, InvalidKey),
        (Wish({"n": "many"}), "increment", {"n": 1}, InvalidValue),
        (Wish(removes=frozenset({"n"})), "increment", {"n": 1}, InvalidValue),
        (Wish(removes=frozenset({"n"})), "patch", {"n": 1}, InvalidValue),
        (Wish({"n": "a\0"}), "patch", {"n": 1}, InvalidValue),
        (Wish({"n": "x" * 2**20}), "patch", {"n": 1}, OperationTooLarge),
        (Wish({"name": "Ann"}), "upsert", DATA, NotPossible),
        (Wish(), "delete", None, NotPossible),
    ],
)
def test_what_a_client_could_not_send_is_refused(wish, kind, data, error):
    with pytest.raises(error):
        edit(wish, operation(kind, data))


def test_what_differs_is_told_by_name_alone():
    assert changed_fields(operation(), edit(Wish({"new": 1}, frozenset({"name"})))) == [
        "name",
        "new",
    ]
    typed = edit(Wish({"total": "~f-5.0", "big": "~f1"}))
    assert changed_fields(operation(), typed) == ["big"]


def test_the_letter_tells_the_reason_without_the_values_of_the_original():
    letter = dead(1, {"name": "canary"}, message="It is no canary.")
    letter = replace(letter, attempts=letter.history)
    original = operation_of(letter)
    made = edit(Wish({"name": "bird"}), original)
    found = edited_letter(letter, original, made)
    assert found.message == "It is no ***."
    assert all("canary" not in each.message for each in found.attempts)
    assert [each for each, _ in decode_all(found.raw)] == [made]
    assert (found.operation_id, found.version) == (made.uuid, made.version)
    assert found.id != letter.id
    assert (found.code, found.queue, found.key) == (letter.code, letter.queue, letter.key)
