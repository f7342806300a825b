"""Looking at dead letters: lists, one letter, and what is not shown."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from syncpipe import app as wiring
from syncpipe.cli.desk import age
from syncpipe.cli.dlq import _COLUMNS
from syncpipe.cli.output import Exit
from syncpipe.core.attempt import Attempt
from tests.contract.test_deadletters import dead, unreadable
from tests.contract.test_groups import G1
from tests.contract.test_groups import letter as group_letter
from tests.integration.cli.conftest import NOW
from tests.unit.ops.brokers import put


def letter(number=1, **members):
    known = {
        "message": 'new row violates "positive"',
        "sqlstate": "23514",
        "constraint": "positive",
        "died_ms": NOW - 3 * 3600_000,
        "data": {"name": "canary", "total": -5, "lines": [1, 2]},
    }
    return dead(number, **known | members)


def test_a_list_shows_age_record_and_cause(run, store):
    store.dead_letters.record([letter()])
    lines = run("list").stdout.splitlines()
    assert lines[0].lower().split() == [*_COLUMNS]
    assert lines[1].split()[1:8] == ["3h", "1", "crm", "orders/k1", "SP-E511", "23514", "positive"]
    assert "canary" not in "".join(lines)


def test_a_list_for_programs_has_every_fact_and_no_value(run, store):
    store.dead_letters.record([letter(message="the total '77' is wrong")])
    (row,) = json.loads(run("list", "-o", "json").stdout)
    assert row["last_seen"] == "2025-12-31T21:00:00.000Z"
    assert row["message"] == "the total *** is wrong"
    assert (row["key"], row["code"], row["constraint"]) == ("k1", "SP-E511", "positive")
    assert (row["times_seen"], row["state"], row["stage"]) == (1, "open", "apply")
    assert json.loads(run("list", "-o", "jsonl").stdout) == row


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        ((), ["k3", "k2", "k1"]),
        (("--target", "erp"), ["k2"]),
        (("--collection", "customers"), ["k3"]),
        (("--code", "SP-E513"), ["k2"]),
        (("--code", "e513"), ["k2"]),
        (("--code", "513"), ["k2"]),
        (("--limit", "2"), ["k3", "k2"]),
        (("--fingerprint", letter(1).fingerprint, "--collection", "orders"), ["k1"]),
    ],
)
def test_letters_are_chosen(run, store, arguments, keys):
    store.dead_letters.record(
        [
            letter(1, died_ms=1),
            letter(2, died_ms=2, queue="sp.erp.0.low", code="SP-E513"),
            letter(3, died_ms=3, collection="customers"),
        ]
    )
    done = run("list", *arguments, "-o", "json")
    assert [row["key"] for row in json.loads(done.stdout)] == keys
    assert ("There may be more" in done.stderr) is ("--limit" in arguments)


def test_more_letters_than_one_page_are_listed(run, store):
    store.dead_letters.record([letter(number, died_ms=number) for number in range(1_200)])
    rows = json.loads(run("list", "--limit", "1100", "-o", "json").stdout)
    assert [row["key"] for row in rows] == [f"k{number}" for number in range(1_199, 99, -1)]


def test_nothing_that_matches_is_exit_code_3(run, store, broker):
    assert "There is no open dead letter." in run("list", status=Exit.NOTHING).stderr
    store.dead_letters.record([letter()])
    put(broker, "sp.dead", 4)
    done = run("list", "--target", "none", status=Exit.NOTHING)
    assert "No dead letter matches." in done.stderr
    assert "4 wait in the broker until a worker" in done.stderr


def test_everything_about_a_letter_is_shown_but_no_value(run, store):
    attempts = (
        Attempt(NOW - 5000, "w1@h", 12, "SP-E510", "Key (name)=(canary) is not there."),
        Attempt(NOW - 1000, "w2@h", 0, "SP-E511", "canary it is"),
    )
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    kept = letter(message="canary is not positive", attempts=attempts, trace=trace, died_ms=NOW)
    store.dead_letters.record([kept])
    text = run("show", kept.id).stdout
    for expected in (
        f"Dead letter {kept.id}, open",
        "orders/k1",
        f"upsert, version 7, {len(kept.raw)} bytes",
        kept.operation_id,
        "SP-E511 *** is not positive",
        "23514 positive",
        "what to do",
        "1 time, by apply in w1@h",
        "2025-12-31T23:59:55.000Z  w1@h after 12 ms: SP-E510 Key (name)=(***) is not there.",
        "name   str",
        "lines  list of 2",
        kept.fingerprint,
        trace,
    ):
        assert expected in text, text
    assert "canary" not in text


def test_a_letter_for_programs(run, store):
    kept = letter(died_ms=NOW)
    store.dead_letters.record([kept])
    done = run("show", kept.operation_id, "-o", "json")
    (row,) = json.loads(done.stdout)
    assert (row["id"], row["bytes"], row["version"]) == (kept.id, len(kept.raw), 7)
    assert row["operation"]["types"] == {"name": "str", "total": "int", "lines": "list of 2"}
    assert set(row["operation"]["fields"].values()) == {"***"}
    assert row["attempts"][0]["at"] == row["last_seen"] == "2026-01-01T00:00:00.000Z"
    assert row["hint"]["text"]
    assert "canary" not in done.stdout


def test_an_operation_may_have_a_letter_for_each_target(run, store):
    one, other = letter(), letter(queue="sp.erp.0.low")
    store.dead_letters.record([one, other])
    text = run("show", one.operation_id).stdout
    assert text.count("Dead letter") == 2
    assert len(run("show", one.operation_id, "-o", "jsonl").stdout.splitlines()) == 2


def test_an_unreadable_message_shows_its_size(run, store):
    kept = unreadable(b"garbage", died_ms=NOW)
    store.dead_letters.record([kept])
    text = run("show", kept.id).stdout
    assert "none to be read, 7 bytes" in text
    assert "record" not in text
    assert "garbage" not in text
    (row,) = json.loads(run("list", "-o", "json").stdout)
    assert row["key"] is None


def test_a_delete_has_no_fields(run, store):
    plain = letter(died_ms=NOW)
    store.dead_letters.record([replace(plain, raw=b"unreadable")])
    assert "none to be read" in run("show", plain.id).stdout


@pytest.mark.parametrize("id_", ["nonsense", "0197a000-0000-7000-8000-00000000ffff"])
def test_a_letter_that_is_not_there_is_exit_code_3(run, id_):
    done = run("show", id_, status=Exit.NOTHING)
    assert done.stdout == ""
    assert "syncpipe dlq list" in done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["show", "x"]])
def test_without_a_store_it_says_where_they_are_and_what_to_do(run, monkeypatch, arguments):
    monkeypatch.setattr(wiring.App, "store", lambda _: None)
    error = run(*arguments, status=Exit.FAILED).stderr
    assert "SP-E703" in error
    assert "sp.dead" in error
    assert "[store]" in error


def test_a_store_without_tables_says_what_to_do(run, dsn):
    done = run("list", "--set", f"store.dsn={dsn}", status=Exit.FAILED)
    assert "Run `syncpipe migrate`." in done.stderr


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0s"),
        (999, "0s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (3600_000, "1h"),
        (90_000_000, "1d"),
    ],
)
def test_ages_are_told_in_their_largest_unit(milliseconds, text):
    assert age(milliseconds) == text


def test_the_group_of_an_operation_is_shown(run, store):
    member = group_letter(1)
    store.dead_letters.record([member])
    group = str(uuid.UUID(bytes=G1))
    assert f"  group       {group}" in run("show", member.id).stdout.splitlines()
    shown = json.loads(run("show", member.id, "-o", "jsonl").stdout)
    assert shown["operation"]["group_id"] == group
