"""What people see of dead letters."""

from __future__ import annotations

import json

import pytest

from syncpipe.core.access import Role
from syncpipe.deadletters.editing import Wish
from syncpipe.errors import AccessDenied, InvalidFilter, NotPossible, TargetUnavailable
from syncpipe.targets.target import Group
from tests.integration.deadletters.conftest import COLLECTIONS
from tests.integration.deadletters.samples import CANARY, NOW, dead, operation, unreadable


def keys(listed):
    return [row["key"] for row in listed["letters"]]


def apply(target, *operations):
    groups = [Group(COLLECTIONS[o.collection], o.key, (o,)) for o in operations]
    target.apply(groups, now_ms=NOW)


def test_a_list_goes_on_where_it_ended(store, letters):
    store.dead_letters.record([dead(number) for number in range(5)])
    first = letters.list(limit=3)
    rest = letters.list(limit=3, after=first["after"])
    assert keys(first) == ["k4", "k3", "k2"]
    assert keys(rest) == ["k1", "k0"]
    assert rest["after"] is None
    assert letters.count() == 5
    with pytest.raises(NotPossible):
        letters.list(after="nowhere")


def test_open_ones_are_listed_unless_the_filter_says_otherwise(store, letters):
    store.dead_letters.record([dead(1), dead(2)])
    letters.discard("key:k1", reason="Gone.", accept_loss=True)
    assert keys(letters.list()) == ["k2"]
    assert keys(letters.list("key:k1 state:discarded")) == ["k1"]
    assert letters.list("target:crm")["filter"] == "target:crm state:open"
    with pytest.raises(InvalidFilter):
        letters.list("nothing")


def test_causes_come_with_what_to_do(store, letters):
    store.dead_letters.record([*(dead(number) for number in range(3)), unreadable()])
    first, second = letters.groups()
    assert (first["number"], first["records"], first["constraint"]) == (3, 3, "positive")
    assert "CHECK" in first["hint"]["text"]
    assert sum(first["hourly"]) == 3 or first["hourly"]
    assert second["code"] == "SP-E301"
    letters.mute(first["fingerprint"], NOW + 10**12, reason="Somebody is at it.")
    assert [row["code"] for row in letters.groups()] == ["SP-E301"]
    assert len(letters.groups(muted=True)) == 2
    letters.mute(first["fingerprint"], None)
    assert len(letters.groups()) == 2


def test_they_are_counted(store, letters):
    store.dead_letters.record([dead(1), dead(2, queue="sp.erp.0.low"), unreadable(queue="other")])
    counted = letters.stats()
    assert counted["by_state"] == {"open": 3}
    assert counted["by_target"] == {"crm": 1, "erp": 1, "": 1}
    assert counted["by_code"] == {"SP-E511": 2, "SP-E301": 1}
    json.dumps(counted)


def test_a_letter_is_shown_beside_its_record(store, letters, targets):
    apply(targets["crm"], operation(50, key="k1", version=5, data={"status": "open", "total": 7}))
    store.dead_letters.record([dead(1)])
    (row,) = letters.show(dead(1).id)
    assert row["hint"]["text"].startswith("A CHECK constraint")
    assert row["operation"]["fields"]["status"] == "paid"
    assert row["operation"]["types"] == {"status": "str", "name": "str", "total": "int"}
    now = row["record"]
    assert (now["prospect"], now["exists"], now["version"]) == ("changes", True, 5)
    fields = {each["name"]: each for each in now["fields"]}
    assert fields["status"] == {
        "name": "status",
        "sent": "paid",
        "now": "open",
        "becomes": "paid",
        "change": "changed",
        "equal": False,
    }
    assert fields["name"]["change"] == "added"
    assert "now" not in fields["name"]
    assert fields["total"]["now"] == fields["total"]["sent"] == "***"
    assert fields["total"]["change"] == "changed"


def test_equal_values_are_told_without_being_shown(store, letters, targets):
    apply(targets["crm"], operation(50, key="k1", version=5, data={"name": CANARY, "total": -5}))
    store.dead_letters.record([dead(1)])
    (row,) = letters.show(dead(1).id)
    fields = {each["name"]: each for each in row["record"]["fields"]}
    assert (fields["total"]["equal"], fields["total"]["change"]) == (True, "same")
    assert fields["name"]["sent"] == fields["name"]["now"] != CANARY
    assert CANARY not in json.dumps(row)


@pytest.mark.parametrize(
    ("before", "prospect", "exists"),
    [
        (operation(50, key="k1", version=11), "newer", True),
        (operation(50, "delete", key="k1", version=11), "newer", False),
        (operation(1), "applied", True),
        (operation(50, "delete", key="k1", version=9), "changes", False),
    ],
)
def test_it_says_when_the_record_is_newer_or_gone(
    store, letters, targets, before, prospect, exists
):
    apply(targets["crm"], before)
    store.dead_letters.record([dead(1)])
    (row,) = letters.show(dead(1).id)
    assert (row["record"]["prospect"], row["record"]["exists"]) == (prospect, exists)
    if prospect != "changes":
        assert {each["change"] for each in row["record"]["fields"]} <= {"same", "kept"}


def test_a_record_that_cannot_be_read_says_why(store, letters, targets, monkeypatch):
    def away(*_):
        raise TargetUnavailable(f"Nobody answers {CANARY}.")

    store.dead_letters.record([dead(1), unreadable(), dead(3, of=operation(3, collection="old"))])
    monkeypatch.setattr(targets["crm"], "read", away)
    for letter, why in (
        (dead(1), "SP-E501"),
        (unreadable(), "no operation can be read"),
        (dead(3, of=operation(3, collection="old")), "declares no collection 'old'"),
    ):
        (row,) = letters.show(letter.id)
        assert row["record"]["prospect"] == "unknown"
        assert why in row["record"]["why"]
        assert not row["record"]["readable"]
        assert CANARY not in json.dumps(row)


def test_an_id_may_be_its_beginning_or_that_of_the_operation(store, letters):
    one, other = dead(1), dead(1, queue="sp.erp.0.low")
    store.dead_letters.record([one, other])
    assert [row["id"] for row in letters.show(one.id[:8])] == [one.id]
    assert {row["target"] for row in letters.show(one.operation_id)} == {"crm", "erp"}
    assert letters.show("ffffffff") == []
    assert letters.show("nonsense") == []


def test_values_are_shown_to_admins_alone_and_the_audit_remembers(store, letters_of, acts):
    store.dead_letters.record([dead(1)])
    with pytest.raises(AccessDenied):
        letters_of(Role.OPERATOR).show(dead(1).id, reveal=True)
    assert acts() == []
    (row,) = letters_of(Role.ADMIN, "eve").show(dead(1).id, reveal=True, reason="INC-7")
    assert row["operation"]["fields"] == {"status": "paid", "name": CANARY, "total": -5}
    assert CANARY in row["message"]
    (act,) = acts()
    assert (act.actor, act.verb, act.subject, act.reason) == (
        *("eve", "dlq.reveal", dead(1).id, "INC-7"),
    )


def test_filtering_by_what_is_masked_takes_the_same(store, letters_of, acts):
    store.dead_letters.record([dead(1), dead(2, of=operation(2, data={"status": "open"}))])
    with pytest.raises(AccessDenied):
        letters_of(Role.OPERATOR).list(f"data.name:{CANARY}")
    listed = letters_of(Role.ADMIN).list(f"data.name:{CANARY}")
    assert keys(listed) == ["k1"]
    assert CANARY not in json.dumps(listed)
    (act,) = acts()
    assert act.verb == "dlq.filter"
    assert CANARY not in str(act)


def test_big_integers_and_every_type_survive(store, letters_of):
    data = {"n": 2**70, "f": 0.5, "nested": {"a": [None, True]}}
    store.dead_letters.record([dead(1, of=operation(1, data=data))])
    (row,) = letters_of(Role.ADMIN).show(dead(1).id, reveal=True)
    assert json.loads(json.dumps(row))["operation"]["fields"] == data


def test_everybody_is_refused_what_they_may_not(store, letters_of):
    store.dead_letters.record([dead(1)])
    viewer = letters_of(Role.VIEWER)
    assert viewer.list()["letters"]
    assert viewer.groups()
    assert viewer.stats()
    assert viewer.show(dead(1).id)
    assert list(viewer.export())
    for act in (
        lambda: viewer.edit(dead(1).id, Wish({"total": 1})),
        lambda: viewer.editable(dead(1).id),
        lambda: viewer.replay(""),
        lambda: viewer.discard("", reason="Because.", accept_loss=True),
        lambda: viewer.restore(""),
        lambda: viewer.mute("0" * 16, 1),
        lambda: letters_of(Role.OPERATOR).purge(older_than_ms=0, reason="Because."),
        lambda: letters_of(Role.OPERATOR).export(reveal=True),
    ):
        with pytest.raises(AccessDenied):
            act()
    assert viewer.count() == 1
