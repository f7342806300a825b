"""Every verb of the API on a real store, and who may use it."""

from __future__ import annotations

import pytest

from tests.integration.deadletters.samples import CANARY, NOW, dead, operation, unreadable

#: Acts of operators, each with a body that would do something.
ACTS = {
    "dead-letters/replay": {"where": "state:open"},
    "dead-letters/discard": {"where": "state:open", "reason": "x", "accept_loss": True},
    "dead-letters/restore": {"where": "state:discarded"},
    "dead-letters/mute": {"fingerprint": "FP", "for_s": 60},
    "dead-letters/ID/edit": {"set": {"total": 5}},
}
#: Acts of admins.
REVEALING = {
    "dead-letters/ID/reveal": {"reason": "x"},
    "dead-letters/export": {"reveal": True},
    "dead-letters/purge": {"reason": "x", "older_than_s": 0},
}


@pytest.fixture
def buried(site):
    """Sixty dead letters of two causes, and a message that nobody can read."""
    letters = [dead(n) for n in range(1, 51)]
    letters += [
        dead(n, sqlstate="23505", constraint="one_name", died_ms=NOW + n) for n in range(51, 61)
    ]
    site.store.dead_letters.record([*letters, unreadable()])
    return letters


@pytest.mark.usefixtures("buried")
def test_lists_go_on_where_they_ended(site):
    seen, after = [], ""
    while after is not None:
        page = site.get(f"dead-letters?limit=25&after={after}")
        seen += [each["id"] for each in page["letters"]]
        after = page["after"]
    assert len(seen) == len(set(seen)) == 61
    assert site.get("dead-letters/count?where=code:23505") == {"number": 10}
    assert len(site.get("dead-letters?where=code:23505 key:k51,k52")["letters"]) == 2


@pytest.mark.usefixtures("buried")
def test_causes_and_numbers(site):
    groups = site.get("dead-letters/groups")["groups"]
    assert [each["number"] for each in groups] == [50, 10, 1]
    assert groups[0]["hint"]["text"]
    stats = site.get("dead-letters/stats")
    assert stats["by_state"]["open"] == 61
    assert stats["by_target"] == {"crm": 61}


def test_one_is_shown_beside_its_record(site, buried):
    (shown,) = site.get(f"dead-letters/{buried[0].id}")["letters"]
    assert shown["record"]["prospect"] == "changes"
    assert shown["operation"]["fields"] == {"status": "paid", "name": "***", "total": "***"}
    assert site.get(f"dead-letters/{operation(1).uuid}")["letters"] == [shown]


@pytest.mark.usefixtures("buried")
def test_it_is_put_away_and_brought_back_by_name(site):
    body = {"where": "code:23505", "reason": "test data"}
    plan = site.post("dead-letters/discard", **body, dry_run=True)
    assert (plan["number"], plan["lost"]) == (10, 10)
    status, said = site.api("dead-letters/discard", body=body)
    assert (status, said["code"]) == (409, "SP-E806")
    done = site.post("dead-letters/discard", **body, accept_loss=True)
    assert done["number"] == len(done["ids"]) == 10
    assert site.get("dead-letters/count?where=state:discarded") == {"number": 10}
    assert site.post("dead-letters/restore", where="code:23505")["number"] == 10
    assert [(act.actor, act.verb, act.reason) for act in site.audited()] == [
        ("basic:bob", "dlq.discard", "test data"),
        ("basic:bob", "dlq.restore", "restore by basic:bob"),
    ]


def test_an_edited_one_takes_its_place(site, buried):
    path = f"dead-letters/{buried[0].id}/edit"
    plan = site.post(path, set={"total": 5}, dry_run=True)
    assert (plan["id"], plan["fields"]) == (None, ["total"])
    done = site.post(path, set={"total": 117683911909376044}, unset=["name"], reason="typo")
    assert done["fields"] == ["name", "total"]
    (new,) = site.get(f"dead-letters/{done['id']}")["letters"]
    assert new["state"] == "open"
    assert set(new["operation"]["fields"]) == {"status", "total"}
    assert site.get(f"dead-letters/{buried[0].id}")["letters"][0]["state"] == "edited"
    (revealed,) = site.post(f"dead-letters/{done['id']}/reveal", "ann", reason="x")["letters"]
    assert revealed["operation"]["fields"]["total"] == 117683911909376044


@pytest.mark.usefixtures("buried")
def test_a_replay_is_made_paused_resumed_and_cancelled(site):
    body = {"where": "code:23514", "canary": 5, "rate": 100.5, "reason": "mended"}
    plan = site.post("dead-letters/replay", **body, dry_run=True)
    assert (plan["number"], plan["outlook"]["changes"]) == (50, 50)
    made = site.post("dead-letters/replay", **body)
    assert (made["total"], made["canary"], made["rate"], made["actor"]) == (
        50,
        5,
        100.5,
        "basic:bob",
    )
    assert site.get("replays")["replays"][0]["id"] == made["id"]
    path = f"replays/{made['id']}"
    assert site.post(f"{path}/pause")["state"] == "paused"
    assert site.post(f"{path}/resume")["state"] in {"running", "canary"}
    assert site.api(f"{path}/cancel", body={})[0] == 409  # it takes a reason
    assert site.post(f"{path}/cancel", reason="enough")["state"] == "cancelled"
    assert site.get(path)["ended_ms"]
    assert site.get("dead-letters/stats")["by_state"] == {"open": 61}


@pytest.mark.usefixtures("buried")
def test_a_cause_is_muted_for_a_while(site):
    fingerprint = site.get("dead-letters/groups")["groups"][0]["fingerprint"]
    assert site.post("dead-letters/mute", fingerprint=fingerprint, for_s=3600)["until_ms"]
    assert len(site.get("dead-letters/groups")["groups"]) == 2
    assert len(site.get("dead-letters/groups?muted=true")["groups"]) == 3
    assert site.post("dead-letters/mute", fingerprint=fingerprint)["until_ms"] is None
    assert len(site.get("dead-letters/groups")["groups"]) == 3
    assert site.api("dead-letters/mute", body={"fingerprint": "0" * 16, "for_s": 9})[0] == 404


@pytest.mark.usefixtures("buried")
def test_the_audit_is_read_and_verified(site):
    site.post("dead-letters/discard", where="key:k1", reason="x", accept_loss=True)
    entry = site.get("audit?limit=1")["entries"][0]
    number = entry["number"]
    assert (entry["verb"], entry["actor"], number) == ("dlq.discard", "basic:bob", site.before + 1)
    assert site.get("audit?verb=dlq.purge")["entries"] == []
    assert site.get("audit?before=1")["entries"] == []
    verdict = site.get("audit/verify")
    assert verdict["ok"]
    assert site.get(f"audit/verify?head={verdict['head']}")["ok"]
    assert site.api("audit/verify?head=1:00")[0] == 400
    assert len(site.get("audit/export", "ann")["lines"]) == number + 1


def test_viewers_change_nothing_and_operators_reveal_nothing(site, buried):
    fingerprint = site.get("dead-letters/groups")["groups"][0]["fingerprint"]
    for acts, who in ((ACTS | REVEALING, "eve"), (REVEALING, "bob")):
        for path, body in acts.items():
            told = {n: fingerprint if v == "FP" else v for n, v in body.items()}
            status, said = site.api(path.replace("ID", buried[0].id), who, body=told)
            assert (path, who, status) == (path, who, 403), said
            assert "takes the role" in said["message"]
    for who in ("eve", "bob"):
        assert site.api("dead-letters?where=data.name:x", who)[0] == 403
    assert site.audited() == []
    assert site.get("dead-letters/stats")["by_state"] == {"open": 61}


def test_admins_see_what_is_in_operations_and_the_audit_says_so(site, buried):
    shown = site.post(f"dead-letters/{buried[0].id}/reveal", "ann", reason="OPS-1")
    assert CANARY in str(shown)
    assert CANARY in str(site.post("dead-letters/export", "ann", reveal=True, reason="OPS-2"))
    found = site.get(f"dead-letters?where=data.name:{CANARY}", "ann")
    assert len(found["letters"]) == 50
    assert site.get(f"dead-letters?where=data.name:{CANARY}", "ann") == found, "it refreshes"
    assert [(act.actor, act.verb) for act in site.audited()] == [
        ("basic:ann", "dlq.reveal"),
        ("basic:ann", "dlq.export"),
        ("basic:ann", "dlq.filter"),
    ]
    assert CANARY not in str(site.audited())


@pytest.mark.usefixtures("buried")
def test_unknown_ids_are_not_there(site):
    unknown = "00000000-0000-7000-8000-000000000000"
    for path in (f"dead-letters/{unknown}", f"replays/{unknown}", "dead-letters/x", "replays/x"):
        status, said = site.api(path)
        assert (path, status, said["code"]) == (path, 404, "SP-E800")
    for path in (f"dead-letters/{unknown}/edit", f"replays/{unknown}/pause"):
        assert site.api(path, body={})[0] == 404
    assert site.api(f"dead-letters/{unknown}/reveal", "ann", body={})[0] == 404


def test_a_bad_filter_names_its_column(site):
    status, said = site.api("dead-letters?where=target:crm nosuch:2")
    assert (status, said["code"], said["column"]) == (400, "SP-E801", 12)
    for body in ({}, {"where": ""}, {"where": "  "}, {"where": "a:b"}, {"where": 1}):
        assert site.api("dead-letters/replay", body=body)[0] == 400
    assert site.api("dead-letters/replay", body={"where": "state:open", "resaon": "x"})[0] == 400
    assert site.api("dead-letters/replay", body={"where": "state:open"})[0] == 409  # there is none


def test_nothing_that_is_masked_is_on_any_page(site, buried):
    paths = ["dead-letters", "dead-letters?view=letters", "dead-letters?view=audit", "pipeline"]
    paths += [f"dead-letters?open=letter:{each.id}" for each in (buried[0], buried[55])]
    paths += [
        "dead-letters?open=where:state:open",
        "dead-letters?part=drawer&open=where:code:23514",
    ]
    paths += [f"api/v1/dead-letters/{buried[0].id}", "api/v1/dead-letters/export?limit=100"]
    for path in paths:
        status, text = site.ask(f"/syncpipe/{path}")
        assert (path, status) == (path, 200)
        assert CANARY not in text
    body = {"open": f"letter:{buried[0].id}", "reason": "x"}
    assert CANARY not in site.ask("/syncpipe/dead-letters", body=body)[1]
    assert site.audited() == []
    assert CANARY in site.ask("/syncpipe/dead-letters", "ann", body=body)[1]
    assert [act.verb for act in site.audited()] == ["dlq.reveal"]


def test_what_reveals_or_exports_has_its_command_to_copy(site, buried):
    id_ = buried[0].id
    shown = site.ask(f"/syncpipe/dead-letters?part=drawer&open=letter:{id_}", "ann")[1]
    assert f'data-copy="syncpipe dlq show {id_} --reveal --reason ' in shown
    cause = site.ask("/syncpipe/dead-letters?part=drawer&open=where:code:23514")[1]
    assert 'data-copy="syncpipe dlq export --where code:23514"' in cause
