"""What ``syncpipe dlq`` does with dead letters: plans, questions, answers, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from syncpipe.cli import asking
from syncpipe.cli.output import Exit
from syncpipe.core.deadletter import operation_of
from tests.integration.deadletters.samples import CANARY, dead, operation, unreadable
from tests.integration.deadletters.test_looking import apply

pytestmark = pytest.mark.usefixtures("letters")


@pytest.fixture
def letters(store):
    """Three dead letters, of the records k1, k2 and k3."""
    store.dead_letters.record([dead(number) for number in range(1, 4)])


def states(store):
    return store.triage.stats().by_state


def only(done):
    (row,) = json.loads(done.stdout)
    return row


def test_causes_are_listed_with_what_to_do(run, store):
    store.dead_letters.record([unreadable()])
    done = run("groups")
    first = done.stdout.splitlines()[1].split()
    assert first[0] == dead(1).fingerprint
    assert first[1:3] == ["3", "3"]
    assert "What to do about the first: A CHECK constraint" in done.stderr
    rows = json.loads(run("groups", "-o", "json").stdout)
    assert [row["number"] for row in rows] == [3, 1]
    assert "first_seen" in rows[0]
    run("groups", "--where", "target:none", status=Exit.NOTHING)


def test_muted_causes_are_left_out(run):
    run("mute", dead(1).fingerprint, "--for", "3650d", "--reason", "At it.")
    run("groups", status=Exit.NOTHING)
    row = json.loads(run("groups", "--muted", "-o", "jsonl").stdout)
    assert row["muted_until"] == "2035-12-30T00:00:00.000Z"
    assert "no longer muted" in run("mute", dead(1).fingerprint, "--off").stdout
    run("groups")
    run("mute", dead(1).fingerprint, status=Exit.USAGE)


def test_they_are_counted(run):
    lines = run("stats").stdout.splitlines()
    assert lines[0] == "state     open 3"
    assert lines[2] == "code      SP-E511 3"
    assert only(run("stats", "-o", "json"))["by_target"] == {"crm": 3}


def test_the_record_is_shown_beside_what_was_sent(run, target):
    apply(target, operation(50, key="k1", version=5, data={"status": "open", "total": -5}))
    text = run("show", dead(1).id[:8]).stdout
    lines = [line.split() for line in text.splitlines()]
    assert ["status", "str", "paid", "open", "paid", "changed"] in lines
    assert ["total", "int", "***", "***", "***", "same"] in lines
    assert CANARY not in text
    apply(target, operation(51, key="k1", version=12, data={"status": "new"}))
    text = run("show", dead(1).id).stdout
    assert "the record is newer: it would end as superseded" in text
    assert "it is there, version 12" in text


def test_a_delete_says_what_it_would_do(run, store):
    gone = dead(of=operation(9, "delete"))
    store.dead_letters.record([gone])
    assert "there is none; it would be deleted" in run("show", gone.id).stdout


def test_values_are_revealed_to_admins(run, acts):
    error = run("show", dead(1).id, "--reveal", role="operators", status=Exit.FAILED).stderr
    assert "SP-E802" in error
    assert CANARY in run("show", dead(1).id, "--reveal", "--reason", "INC-7").stdout
    assert [(act.verb, act.reason) for act in acts()] == [("dlq.reveal", "INC-7")]


def test_a_replay_needs_somebody_who_says_yes(run, store):
    refused = run("replay", "--where", "target:crm", status=Exit.USAGE)
    assert "--yes" in refused.stderr
    assert "matches    3 dead letters of 3 records" in refused.stderr
    assert states(store) == {"open": 3}
    plan = run("replay", "--where", "target:crm", "--dry-run").stdout
    assert all(line in refused.stderr for line in plan.splitlines())
    assert states(store) == {"open": 3}


@pytest.mark.parametrize(("typed", "status"), [("3", Exit.OK), ("2", 1), ("", 1)])
def test_on_a_terminal_the_number_is_typed(run, store, monkeypatch, typed, status):
    monkeypatch.setattr(asking, "_is_terminal", lambda: True)
    arguments = ("replay", "--where", "target:crm", "--detach")
    run(*arguments, input=f"{typed}\n", status=status)
    assert states(store) == ({"replaying": 3} if status == Exit.OK else {"open": 3})


def test_a_replay_has_a_pace(run, acts):
    pace = ("--rate", "200/s", "--canary", "2", "--stop-on-error-rate", "10%", "--max", "1k")
    plan = only(run("replay", "--where", "target:crm", *pace, "--dry-run", "-o", "json"))
    assert (plan["rate"], plan["canary"], plan["limit"]) == (200.0, 2, 1000)
    arguments = ("replay", dead(1).id, "--yes", "--detach", "--reason", "Mended.", "-o", "json")
    made = only(run(*arguments, *pace))
    assert (made["total"], made["rate"], made["stop_on_error_rate"]) == (1, 200.0, 0.1)
    assert (made["reason"], "created" in made) == ("Mended.", True)
    assert [act.verb for act in acts()] == ["dlq.replay"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--rate", "fast"),
        ("--max", "many"),
        ("--stop-on-error-rate", "5"),
        ("--canary", "-1"),
        ("--as-of", "then"),
        (),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(run, arguments):
    where = ("--where", "target:crm") if arguments else ()
    run("replay", *where, *arguments, status=Exit.USAGE)


def test_a_mistake_in_a_filter_is_told_with_its_column(run):
    for arguments in (
        ("replay", "--where", "target:crm cod:1", "--yes"),
        ("list", "--where", "target:crm cod:1", "--target", "crm"),
        ("export", "--where", "target:crm cod:1"),
    ):
        assert "Column 12" in run(*arguments, status=Exit.FAILED).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "--where", "target:none", "--yes"),
        ("discard", "--where", "target:none", "--yes", "--reason", "Old."),
        ("restore", "--where", "target:crm", "--yes"),
        ("purge", "--yes", "--reason", "Old."),
        ("export", "--where", "target:none"),
    ],
)
def test_nothing_that_matches_is_exit_code_3(run, arguments, acts):
    run(*arguments, status=Exit.NOTHING)
    assert acts() == []


def test_what_would_be_lost_has_to_be_accepted(run, store, target):
    apply(target, operation(50, key="k1", version=11))
    run("discard", dead(1).id, "--yes", status=Exit.USAGE)
    refused = run("discard", "--where", "target:crm", "--reason", "Old.", "--yes", status=1)
    assert "SP-E806" in refused.stderr
    assert "2 would change their records" in refused.stderr
    assert states(store) == {"open": 3}
    done = run("discard", dead(1).id, "--reason", "Old.", "--yes")
    assert "1 dead letter discarded" in done.stdout
    arguments = ("discard", "--where", "target:crm", "--reason", "Old.", "--accept-loss", "--yes")
    assert only(run(*arguments, "-o", "json"))["number"] == 2
    assert states(store) == {"discarded": 3}
    assert "STATE" in run("list", "--where", "state:discarded").stdout


def test_what_was_discarded_is_restored(run, store):
    run("discard", dead(1).id, "--reason", "Old.", "--accept-loss", "--yes")
    assert "matches    1 dead letter" in run("restore", dead(1).id, "--dry-run").stdout
    run("restore", dead(1).id, status=Exit.USAGE)
    run("restore", dead(1).id, "--yes")
    assert states(store) == {"open": 3}


def test_an_operation_is_edited_by_fields(run, store, acts):
    arguments = (
        "edit",
        dead(1).id,
        "--field",
        "total=5",
        "--field",
        "note=~seen",
        "--unset",
        "name",
    )
    assert "a new one" in run(*arguments, "--dry-run").stdout
    assert states(store) == {"open": 3}
    done = only(run(*arguments, "-o", "json", "--reason", "A typo."))
    assert done["fields"] == ["name", "note", "total"]
    (row,) = json.loads(run("show", done["id"], "--reveal", "-o", "json").stdout)
    assert row["operation"]["fields"] == {"status": "paid", "total": 5, "note": "~~seen"}
    assert "edited from" in run("show", done["id"]).stdout
    assert acts()[0].details["fields"] == ["name", "note", "total"]


def test_an_editor_shows_masks_and_keeps_what_is_left_as_it_is(run, monkeypatch):
    script = Path("editor.py")
    script.write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "text = path.read_text()\n"
        "pathlib.Path('seen').write_text(text)\n"
        "path.write_text(text.replace('\"paid\"', '\"open\"'))\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script.absolute()}")
    done = only(run("edit", dead(1).id, "-o", "json"))
    assert CANARY not in Path("seen").read_text()
    assert done["fields"] == ["status"]
    (row,) = json.loads(run("show", done["id"], "--reveal", "-o", "json").stdout)
    assert row["operation"]["fields"] == {"status": "open", "name": CANARY, "total": -5}
    run("edit", dead(2).id, "--reveal", "-o", "json")
    assert CANARY in Path("seen").read_text()


def test_a_file_holds_all_fields(run):
    Path("fields.json").write_text('{"status": "paid", "total": 12345678901234567890}')
    done = only(run("edit", dead(1).id, "--file", "fields.json", "-o", "json"))
    assert done["fields"] == ["name", "total"]
    text = run("show", done["id"], "--reveal", "-o", "json").stdout
    assert "12345678901234567890" in text
    run("edit", dead(2).id, "--file", "-", input="{", status=Exit.USAGE)
    run("edit", dead(2).id, "--file", "-", input='{"a": 1}', status=Exit.OK)


def test_what_cannot_be_edited_says_why(run, target):
    assert "no field 'x'" in run("edit", dead(1).id, "--unset", "x", status=1).stderr
    shown = json.dumps(only(run("show", dead(1).id, "-o", "json"))["operation"]["fields"])
    unchanged = run("edit", dead(1).id, "--file", "-", input=shown, status=1)
    assert "same as the original" in unchanged.stderr
    assert "no dead letter" in run("edit", "ffffffff", "--unset", "x", status=1).stderr
    apply(target, operation(1))
    assert "applied after all" in run("edit", dead(1).id, "--field", "a=1", status=1).stderr
    run("edit", dead(1).id, "--field", "a", status=Exit.USAGE)


def test_an_export_is_a_line_for_each(run):
    done = run("export", "--where", "key:k1,k2")
    assert [json.loads(line)["key"] for line in done.stdout.splitlines()] == ["k2", "k1"]
    assert "2 dead letters exported" in done.stderr
    run("export", "--file", "out.jsonl", "--limit", "2")
    assert len(Path("out.jsonl").read_text().splitlines()) == 2
    assert CANARY not in Path("out.jsonl").read_text()
    assert CANARY in run("export", "--reveal", "--limit", "1").stdout


def test_viewers_only_look(run):
    viewer = {"role": "viewers"}
    run("list", **viewer)
    run("show", dead(1).id, **viewer)
    for arguments in (
        ("replay", dead(1).id, "--yes"),
        ("discard", dead(1).id, "--reason", "x", "--yes"),
        ("restore", dead(1).id, "--yes"),
        ("edit", dead(1).id, "--field", "a=1"),
        ("mute", dead(1).fingerprint, "--for", "1h"),
        ("purge", "--reason", "x", "--yes"),
        ("export", "--reveal"),
    ):
        assert "SP-E802" in run(*arguments, **viewer, status=Exit.FAILED).stderr


def test_a_terminal_obeys_nothing_that_is_shown(run, store):
    nasty = "a\x1b]0;x\x07\nb"
    store.dead_letters.record([dead(of=operation(7, key=nasty, data={"f\x1b[2J": nasty}))])
    (id_,) = {row["id"] for row in json.loads(run("list", "-o", "json").stdout)} - {
        dead(number).id for number in range(1, 4)
    }
    for arguments in (
        ("list",),
        ("show", id_),
        ("show", id_, "--reveal"),
        ("replay", "--where", f'key:"{nasty}"', "--dry-run"),
    ):
        assert "\x1b" not in run(*arguments).stdout


def test_a_command_that_filters_by_what_is_masked_says_so_once(run, acts):
    where = f"data.name:{CANARY}"
    run("discard", "--where", where, "--reason", "Test.", "--accept-loss", "--yes")
    run("list", "--where", where, status=Exit.NOTHING)
    assert [act.verb for act in acts()] == ["dlq.filter", "dlq.discard", "dlq.filter"]


def test_a_cause_is_muted_by_the_beginning_of_its_fingerprint_and_only_if_there_is_one(run, store):
    whole = dead(1).fingerprint
    assert run("mute", whole[:6], "--for", "3650d").stdout.startswith(f"{whole} is muted until ")
    run("groups", status=Exit.NOTHING)
    head = store.audit.head()
    for wrong in ("nosuch", "", "0" * 16, f"{whole}0", "\udcff"):
        assert "SP-E804" in run("mute", wrong, "--for", "1h", status=Exit.FAILED).stderr
    assert store.audit.head() == head


@pytest.mark.parametrize("length", ["nan", "inf", "-5", f"{10**30}d", f"{10**400}d"])
def test_no_length_of_time_is_beyond_all_moments(run, store, length):
    head = store.audit.head()
    run("mute", dead(1).fingerprint, "--for", length, status=Exit.USAGE)
    run("purge", "--older-than", length, "--reason", "Old.", "--dry-run", status=Exit.USAGE)
    assert store.audit.head() == head


def test_no_number_is_too_large_for_the_store(run, store):
    huge, head = str(10**30), store.audit.head()
    for verb in ("list", "groups", "export"):
        run(verb, "--limit", huge, status=Exit.USAGE)
    for option in ("--max", "--canary", "--rate"):
        for how in ("--dry-run", "--yes"):
            done = run("replay", "--where", "state:open", option, huge, how, status=Exit.FAILED)
            assert "SP-E804" in done.stderr
    slow = run(
        "replay", "--where", "state:open", "--rate", "0.0000001", "--yes", status=Exit.FAILED
    )
    assert "SP-E804" in slow.stderr
    assert store.audit.head() == head


def test_a_reason_in_no_encoding_is_kept_as_far_as_it_can_be(run, store):
    run("replay", dead(1).id, "--reason", "caf\udce9", "--yes", "--detach")
    assert next(iter(store.audit.latest(limit=1))).act.reason == "caf?"


def test_masks_in_a_file_leave_fields_as_they_are(run, store, tmp_path):
    shown = only(run("show", dead(1).id, "-o", "json"))["operation"]["fields"]
    file = tmp_path / "fields.json"
    file.write_text(json.dumps(shown | {"status": "mended"}))
    row = only(run("edit", dead(1).id, "--file", file, "-o", "json"))
    assert row["fields"] == ["status"]
    (kept,) = store.triage.find(row["id"])
    assert CANARY in str(operation_of(kept.letter).data)


def test_what_only_looks_like_more_than_one_value_is_text(run, store):
    row = only(run("edit", dead(1).id, "--field", 'status=5, "x": 6', "-o", "json"))
    (kept,) = store.triage.find(row["id"])
    assert operation_of(kept.letter).data["status"] == '5, "x": 6'
