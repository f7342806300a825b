"""What people do with dead letters."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from syncpipe.core.access import Role
from syncpipe.core.codec import decode_all
from syncpipe.deadletters.editing import Wish
from syncpipe.deadletters.pace import Pace
from syncpipe.errors import InvalidKey, LossNotAccepted, NotPossible, TargetUnavailable
from tests.integration.deadletters.samples import CANARY, NOW, dead, operation, unreadable
from tests.integration.deadletters.test_looking import apply, keys

DAY_MS = 24 * 3600 * 1000


def states(store):
    return store.triage.stats().by_state


def test_an_edited_operation_takes_the_place_of_the_original(store, letters_of, acts):
    letters = letters_of(Role.ADMIN)
    store.dead_letters.record([dead(1)])
    done = letters.edit(dead(1).id, Wish({"total": 5}), reason="It was a typo.")
    assert done["fields"] == ["total"]
    assert done["asked"]
    assert not done["superseded"]
    assert states(store) == {"edited": 1, "open": 1}
    (new,) = letters.show(done["id"], reveal=True)
    (old,) = letters.show(dead(1).id)
    assert new["operation"]["fields"] == {"status": "paid", "name": CANARY, "total": 5}
    assert (new["edited_from"], old["edited_to"]) == (old["id"], new["id"])
    assert (new["version"], new["key"]) == (10, "k1")
    assert new["operation_id"] == done["operation_id"] != old["operation_id"]
    assert (old["state"], old["change"]["reason"]) == ("edited", "It was a typo.")
    act = next(each for each in acts() if each.verb == "dlq.edit")
    assert (act.subject, act.details["fields"]) == (dead(1).id, ["total"])
    assert CANARY not in str(act)


def test_what_gave_it_up_is_still_told_without_the_values_it_had(store, letters):
    store.dead_letters.record([dead(1)])
    done = letters.edit(dead(1).id, Wish({"name": "somebody"}))
    (row,) = letters.show(done["id"])
    assert row["code"] == "SP-E511"
    assert CANARY not in json.dumps(row)


def test_a_dry_run_of_an_edit_checks_it_and_changes_nothing(store, letters, acts):
    store.dead_letters.record([dead(1)])
    done = letters.edit(dead(1).id, Wish({"total": 5}), dry_run=True)
    assert (done["id"], done["fields"]) == (None, ["total"])
    with pytest.raises(InvalidKey):
        letters.edit(dead(1).id, Wish({"id": "other"}), dry_run=True)
    assert states(store) == {"open": 1}
    assert acts() == []


@pytest.mark.parametrize("kind", ["upsert", "increment"])
def test_an_operation_that_was_applied_after_all_is_not_edited(store, letters, targets, kind):
    of = operation(1, kind, {"total": 7})
    apply(targets["crm"], of)
    apply(targets["crm"], operation(2, "patch", {"total": 1}, key="other"))
    store.dead_letters.record([dead(of=of)])
    with pytest.raises(NotPossible, match="after all"):
        letters.edit(dead(of=of).id, Wish({"total": 5}))
    assert states(store) == {"open": 1}


def test_an_increment_that_was_applied_is_not_edited_as_of_now_either(store, letters, targets):
    counted, set_ = operation(1, "increment", {"n": 7}), operation(2, "upsert", {"n": 0})
    apply(targets["crm"], counted, operation(2, "patch", {"n": 0}, key="k1", version=20))
    store.dead_letters.record([dead(of=counted), dead(of=set_)])
    apply(targets["crm"], set_)
    with pytest.raises(NotPossible):
        letters.edit(counted.uuid, Wish({"n": 8}, as_of_now=True))
    done = letters.edit(set_.uuid, Wish({"n": 8}, as_of_now=True))
    assert done["version"] > 20


def test_an_increment_is_not_edited_while_its_target_cannot_be_asked(
    store, letters, targets, monkeypatch
):
    def away(*_):
        raise TargetUnavailable("Nobody answers.")

    store.dead_letters.record([dead(of=operation(1, "increment", {"n": 1})), dead(2)])
    monkeypatch.setattr(targets["crm"], "seen", away)
    monkeypatch.setattr(targets["crm"], "read", away)
    with pytest.raises(TargetUnavailable):
        letters.edit(operation(1).uuid, Wish({"n": 2}))
    done = letters.edit(dead(2).id, Wish({"total": 2}))
    assert done["id"]
    assert not done["asked"]


def test_it_says_that_an_edit_would_be_superseded(store, letters, targets):
    apply(targets["crm"], operation(50, key="k1", version=11, data={"total": 1}))
    store.dead_letters.record([dead(1)])
    assert letters.edit(dead(1).id, Wish({"total": 5}), dry_run=True)["superseded"]
    done = letters.edit(dead(1).id, Wish({"total": 5}, as_of_now=True))
    assert not done["superseded"]
    assert done["version"] > 11


def test_what_is_not_open_or_not_clear_is_not_edited(store, letters):
    one, other = dead(1), dead(1, queue="sp.erp.0.low")
    gone = dead(3, of=operation(3, collection="old"))
    store.dead_letters.record([one, other, unreadable(), gone])
    letters.discard(f"id:{other.id}", reason="Gone.", accept_loss=True)
    assert letters.edit(one.operation_id, Wish({"total": 1}), dry_run=True)["original"] == one.id
    letters.restore(f"id:{other.id}")
    for id_, why in (
        (one.operation_id, "several"),
        (unreadable().id, "can be read"),
        (gone.id, "declares no collection"),
        ("ffffffff", "no dead letter"),
    ):
        with pytest.raises(NotPossible, match=why):
            letters.edit(id_, Wish({"total": 1}))


def test_what_an_editor_shows_is_masked(store, letters, letters_of, acts):
    store.dead_letters.record([dead(1)])
    shown = letters.editable(dead(1).id)
    assert (shown["key"], shown["kind"], shown["version"]) == ("k1", "upsert", 10)
    assert shown["fields"]["status"] == "paid"
    assert shown["fields"]["total"] == "***"
    assert letters_of(Role.ADMIN).editable(dead(1).id, reveal=True)["fields"]["name"] == CANARY
    assert [act.verb for act in acts()] == ["dlq.reveal"]


def test_discarding_takes_a_reason_and_asks_what_would_be_lost(store, letters, targets, acts):
    store.dead_letters.record([dead(number) for number in range(1, 6)] + [unreadable()])
    apply(targets["crm"], operation(50, key="k1", version=11), operation(2))
    plan = letters.discard("target:crm", reason="Old.", dry_run=True)
    assert {name: plan[name] for name in ("number", "lost", "newer", "applied", "changes")} == {
        "number": 6,
        "lost": 4,
        "newer": 1,
        "applied": 1,
        "changes": 3,
    }
    assert plan["unknown"] == 1
    with pytest.raises(NotPossible):
        letters.discard("target:crm", reason=" ", accept_loss=True)
    with pytest.raises(LossNotAccepted):
        letters.discard("target:crm", reason="Old.")
    assert states(store) == {"open": 6}
    assert letters.discard("key:k1,k2", reason="Old.")["number"] == 2
    done = letters.discard("target:crm", reason="Old.", accept_loss=True)
    assert (done["number"], len(done["ids"])) == (4, 4)
    assert states(store) == {"discarded": 6}
    assert [(act.verb, act.details["number"], act.details["lost"]) for act in acts()] == [
        ("dlq.discard", 2, 0),
        ("dlq.discard", 4, 4),
    ]
    assert letters.discard("target:crm", reason="Old.")["number"] == 0


def test_whoever_waits_for_the_comparison_is_told_how_far_it_is(store, letters):
    store.dead_letters.record([dead(number) for number in range(450)])
    told = []
    letters.discard("target:crm", reason="Test data.", dry_run=True, progress=told.append)
    assert told == [200, 400, 450]


def test_what_was_discarded_is_restored(store, letters, acts):
    store.dead_letters.record([dead(1), dead(2)])
    letters.discard("", reason="Old.", accept_loss=True)
    assert letters.restore("key:k1", dry_run=True)["number"] == 1
    assert letters.restore("key:k1")["number"] == 1
    assert keys(letters.list()) == ["k1"]
    assert letters.restore("key:nobody")["number"] == 0
    assert [act.verb for act in acts()] == ["dlq.discard", "dlq.restore"]
    assert acts()[-1].reason == "restore by ann@desk"


def test_only_what_was_put_away_long_ago_is_purged(store, letters, letters_of, clock):
    store.dead_letters.record([dead(1), dead(2)])
    letters.discard("key:k1", reason="Old.", accept_loss=True)
    admin = letters_of(Role.ADMIN)
    # Moments of changes are the store's own clock's, which is ahead of this one.
    clock.advance(100 * 365 * DAY_MS / 1000)
    assert admin.purge(older_than_ms=200 * 365 * DAY_MS, reason="Law.", dry_run=True)["number"] == 0
    assert admin.purge(older_than_ms=0, reason="Law.", dry_run=True)["number"] == 1
    with pytest.raises(NotPossible):
        admin.purge(older_than_ms=0, reason="")
    assert admin.purge(older_than_ms=0, reason="Law.")["number"] == 1
    assert states(store) == {"open": 1}


def test_an_export_is_masked_unless_an_admin_wants_otherwise(store, letters, letters_of, acts):
    store.dead_letters.record([*(dead(number) for number in range(500)), unreadable()])
    rows = list(letters.export())
    assert len(rows) == 501
    assert CANARY not in json.dumps(rows)
    assert len(list(letters.export(limit=3))) == 3
    assert acts() == []
    revealed = list(letters_of(Role.ADMIN).export("key:k7", reveal=True, reason="INC-7"))
    (row,) = revealed
    assert row["operation"]["fields"]["name"] == CANARY
    ((read, _),) = decode_all(b64decode(row["raw"]))
    assert read == operation(7)
    assert [act.verb for act in acts()] == ["dlq.export"]


def test_a_plan_tells_what_a_replay_takes_and_what_would_become_of_it(store, letters, targets):
    apply(targets["crm"], operation(50, key="k1", version=11))
    store.dead_letters.record([dead(number) for number in range(1, 5)] + [unreadable()])
    plan = letters.replay("target:crm", Pace(limit=4), dry_run=True)
    assert plan["number"] == 4
    assert plan["filter"] == "target:crm state:open"
    plan = letters.replay("", dry_run=True)
    assert (plan["number"], plan["records"], plan["unreadable"]) == (5, 4, 1)
    assert plan["by_code"] == {"SP-E511": 4, "SP-E301": 1}
    assert plan["outlook"] == {
        "number": 5,
        "lost": 4,
        "changes": 3,
        "newer": 1,
        "applied": 0,
        "unknown": 1,
    }
    json.dumps(plan)
    assert states(store) == {"open": 5}


def test_a_replay_takes_them(store, letters, acts):
    store.dead_letters.record([dead(1), dead(2), dead(3)])
    made = letters.replay("key:k1,k2", Pace(canary=1, rate=10.0), reason="Mended.")
    assert (made["total"], made["canary"], made["rate"]) == (2, 1, 10.0)
    assert (made["actor"], made["reason"]) == ("ann@desk", "Mended.")
    assert states(store) == {"replaying": 2, "open": 1}
    with pytest.raises(NotPossible):
        letters.replay("key:k1")
    (act,) = acts()
    assert act.verb == "dlq.replay"
    assert [keys(letters.list("state:replaying")), made["id"]] == [["k2", "k1"], made["id"]]


@pytest.mark.parametrize(
    "pace", [Pace(limit=0), Pace(rate=0.0), Pace(canary=-1), Pace(stop_on_error_rate=2)]
)
def test_a_pace_that_makes_no_sense_is_refused(store, letters, pace):
    store.dead_letters.record([dead(1)])
    with pytest.raises(NotPossible):
        letters.replay("", pace, dry_run=True)


def test_what_a_filter_compares_with_masked_fields_is_in_no_audit(store, letters_of, acts):
    store.dead_letters.record([dead(1)])
    letters = letters_of(Role.ADMIN)
    letters.discard(f"data.name:{CANARY}", reason="Old.", accept_loss=True)
    letters.restore(f"data.name:{CANARY}")
    made = letters.replay(f"data.name:{CANARY}")
    assert made["total"] == 1
    assert CANARY not in json.dumps(made)
    verbs = ["dlq.filter", "dlq.discard", "dlq.restore", "dlq.replay"]
    assert [act.verb for act in acts()] == verbs
    assert all(CANARY not in str(act) for act in acts())
    assert NOW
