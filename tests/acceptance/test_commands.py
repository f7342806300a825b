"""The commands of operators, as processes, on services that run."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from syncpipe.cli import main
from syncpipe.system import SystemClock
from syncpipe.transport import open_broker
from tests.acceptance.kept import AWAY
from tests.acceptance.processes import ENVIRONMENT, SYNCPIPE, run
from tests.patience import eventually


@pytest.fixture
def foreign_queue(kept):
    """A queue of a target that is not declared, with three messages in it."""
    kept.publish("sp.foreign.0.low", 3)
    yield "sp.foreign.0.low"
    with open_broker(kept.services.redis_url, clock=SystemClock()) as broker:
        broker.purge("sp.foreign.0.low")


def command_lines(command=main, path=()):
    """Every command and group, as the words that name it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from command_lines(command.get_command(context, name), (*path, name))


def verbs():
    """Every command that does something by itself."""
    lines = list(command_lines())
    for words in lines:
        if not any(other[:-1] == words for other in lines):
            yield words


@pytest.mark.parametrize("words", list(command_lines()), ids=" ".join)
def test_every_command_explains_itself(words):
    result = CliRunner().invoke(main, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage: " in result.output


@pytest.mark.parametrize("words", list(verbs()), ids=" ".join)
def test_every_command_is_in_the_docs(words):
    page = Path(__file__).parents[2] / "docs" / "commands.md"
    assert re.search(rf"\b{' '.join(['syncpipe', *words])}\b", page.read_text(encoding="utf-8"))


def test_an_operation_is_applied_when_the_command_has_waited(kept):
    done = kept("op", "send", "orders", "42", '{"status": "paid", "n": 1}', "--wait", "-o", "json")
    (receipt,) = json.loads(done.stdout)
    assert receipt["queues"].endswith(".normal")
    assert kept.document("42") == {"status": "paid", "n": 1}

    kept("op", "send", "orders", "42", '{"status": null}', "--op", "patch", "--wait")
    kept("op", "send", "orders", "42", '{"n": 0.10}', "--op", "increment", "--wait")
    assert kept.document("42") == {"n": "~f1.10"}

    kept("op", "send", "orders", "42", "--op", "delete", "--priority", "critical", "--wait")
    assert kept.document("42") is None


def test_an_operation_can_be_sent_again_without_being_doubled(kept):
    increment = ("op", "send", "orders", "again", '{"n": 5}', "--op", "increment", "--wait")
    (receipt,) = json.loads(kept(*increment, "-o", "json").stdout)
    kept(*increment, "--id", receipt["id"], "--version", receipt["version"])
    assert kept.document("again") == {"n": 5}


def test_a_key_of_several_parts_is_one_canonical_text(kept):
    kept("op", "send", "fleets", "A~1B/737", '{"x": 1.5}', "--wait")
    assert kept.document("A~1B/737", "fleets") == {"x": 1.5}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nope", "1", "{}"), 1, "SP-E101: There is no collection 'nope'"),
        (("fleets", "one part", "{}"), 1, "SP-E201"),
        (("orders", "1", "{"), 2, "This is not JSON"),
        (("orders", "1", "[]"), 2, "not an object"),
        (("orders", "1"), 2, "--op upsert needs JSON"),
        (("orders", "1", "{}", "--op", "delete"), 2, "--op delete takes no JSON"),
        (("orders", "1", '{"n": "x"}', "--op", "increment"), 1, "SP-E202"),
        (("orders", "1", "{}", "--op", "replace"), 2, "Invalid value for '--op'"),
        (("orders", "1", "{}", "--priority", "9"), 2, "Invalid value for '--priority'"),
        (("orders", "1", "{}", "--version", "5"), 1, "SP-E203"),
        (("orders", "1", '{"a": "\\u0000"}'), 1, "NUL"),
        (("orders", "1", "{}", "--set", AWAY, "--timeout", "0.2"), 1, "SP-E40"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_an_operation_that_cannot_be_sent_says_why_and_what_to_do(kept, arguments, status, message):
    done = kept("op", "send", *arguments, status=status)
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_status_shows_lanes_and_workers(kept):
    found = shown(kept, lambda seen: seen["workers"] and not seen["depth"])
    assert (found["healthy"], found["problems"]) == (True, [])
    assert [lane["shard"] for lane in found["lanes"]] == list(range(8))
    assert found["workers"][0]["name"].startswith("worker-")
    assert "8 of 8 lanes are empty." in kept("status").stdout


def test_status_is_unhealthy_while_work_waits_for_nobody(kept, foreign_queue):
    assert foreign_queue
    done = kept("status", status=5)
    assert "UNHEALTHY: 3 envelopes wait for 'foreign'" in done.stderr
    found = shown(kept, lambda seen: seen["depth"] == 3, exit_status=5)
    assert not found["healthy"]


def shown(kept, fits, *, exit_status=0):
    """What is shown once it fits: what others have sent is acknowledged after it was applied."""

    def look():
        found = json.loads(kept("status", "-o", "jsonl", status=exit_status).stdout)
        return found if fits(found) else None

    return eventually(look)


def test_status_is_unhealthy_while_the_broker_is_away(kept):
    assert "SP-E402" in kept("status", "--set", AWAY, status=5).stderr
    found = json.loads(kept("status", "--set", AWAY, "-o", "json", status=5).stdout)
    assert found["healthy"] is False


def test_queues_are_listed_while_they_hold_something(kept, foreign_queue):
    queues = json.loads(kept("queue", "list", "-o", "json").stdout)
    assert {each["queue"]: each["ready"] for each in queues}[foreign_queue] == 3


def test_a_purge_shows_its_plan_and_refuses_where_nobody_can_be_asked(kept, foreign_queue):
    plan = kept("queue", "purge", "sp.foreign.*", "--dry-run")
    assert foreign_queue in plan.stdout
    refused = kept("queue", "purge", "sp.foreign.*", status=2)
    assert "--yes" in refused.stderr
    done = kept("queue", "purge", "sp.foreign.*", "--yes", "--reason", "a test", "-o", "json")
    assert json.loads(done.stdout) == [{"queue": foreign_queue, "deleted": 3}]
    entry, head = json.loads(done.stderr.splitlines()[1]), done.stderr.splitlines()[0]
    assert head.startswith("Audit: ")
    assert (entry["event"], entry["messages"], entry["reason"]) == ("queue-purged", 3, "a test")
    kept("queue", "purge", "sp.foreign.*", "--yes", status=3)


@pytest.mark.parametrize(("answer", "left"), [("3\n", 0), ("yes\n", 3)])
def test_a_purge_asks_a_person_for_the_number(kept, foreign_queue, answer, left):
    outer, inner = pty.openpty()
    os.write(outer, answer.encode())
    done = subprocess.run(
        [*SYNCPIPE, "queue", "purge", foreign_queue],
        cwd=kept.directory,
        env=ENVIRONMENT,
        stdin=inner,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(inner)
    os.close(outer)
    assert done.returncode == (0 if left == 0 else 1)
    assert "Type 3 to delete" in done.stderr
    with open_broker(kept.services.redis_url, clock=SystemClock()) as broker:
        assert broker.depths([foreign_queue])[foreign_queue].ready == left


def test_nothing_is_rescued_while_everybody_lives(kept):
    assert kept("queue", "rescue").stdout == "0 messages went back to their queues.\n"


def test_targets_are_listed_prepared_checked_and_described(kept):
    (listed,) = json.loads(kept("target", "list", "-o", "json").stdout)
    assert listed["name"] == "demo"
    tables = json.loads(kept("target", "init", "demo", "-o", "json").stdout)
    assert {"table": "syncpipe.documents"} in tables
    checks = json.loads(kept("target", "test", "demo", "-o", "json").stdout)
    assert all(check["ok"] for check in checks)
    schema = json.loads(kept("target", "schema", "demo", "-o", "json").stdout)
    assert {row["collection"] for row in schema} == {"airports", "fleets", "orders", "sightings"}
    collected = json.loads(kept("target", "collect", "demo", "-o", "json").stdout)
    assert sum(row["tombstones"] for row in collected) == 0


def test_a_target_that_is_not_as_it_should_be_is_unhealthy(kept):
    override = "targets.demo.schema=elsewhere"
    done = kept("target", "test", "demo", "--set", override, status=5)
    assert "syncpipe target init demo" in done.stdout


def test_a_target_that_is_away_is_told_once(kept):
    done = kept("target", "test", "demo", "--set", "targets.demo.dsn=host=/nowhere", status=5)
    assert done.stdout.count("SP-E501") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("verb", ["init", "test", "schema", "collect"])
def test_a_target_that_is_not_declared_is_named(kept, verb):
    done = kept("target", verb, "nope", status=1)
    assert "There is no target 'nope'; declared: demo." in done.stderr


def test_the_broker_keeps_what_it_confirms(kept):
    for _ in range(2):
        found = json.loads(kept("migrate", "-o", "json").stdout)
        values = [each["value"] for each in found if "setting" in each]
        assert values == ["yes", "always", "noeviction"]


def test_the_store_is_migrated_once(kept, dsn):
    override = f"store.dsn={dsn}"
    lacking = kept("status", "--set", override, "-o", "json", status=5)
    first = kept("migrate", "--set", override, "-o", "jsonl")
    again = kept("migrate", "--set", override, "-o", "jsonl")

    assert "SP-E702" not in lacking.stdout
    assert "`syncpipe migrate`" in lacking.stdout
    assert json.loads(first.stdout.splitlines()[0]) == {
        "migration": "0001_pre_dead_letters",
        "state": "ran",
    }
    assert "migrations of the store were run." in first.stderr
    assert '"ran"' not in again.stdout
    assert "The store needs nothing." in again.stderr
    kept("status", "--set", override)


def test_a_store_that_is_away_is_a_problem_and_nothing_is_migrated(kept):
    override = "store.dsn=host=/nowhere dbname=x"
    status = json.loads(kept("status", "--set", override, "-o", "json", status=5).stdout)
    (problem,) = status["problems"]
    assert problem.startswith("The store does not answer: ")
    assert "SP-E701" in kept("migrate", "--set", override, status=1).stderr


def test_a_broker_that_can_lose_something_is_unhealthy(kept, redis_url):
    override = f"broker.url={redis_url}"
    found = json.loads(kept("migrate", "--set", override, "-o", "json", status=5).stdout)
    (fault,) = [each for each in found if not each.get("ok", True)]
    assert fault["advice"].endswith("Set `appendfsync always`.")


def test_a_broker_that_is_away_cannot_be_checked(kept):
    assert "SP-E402" in kept("migrate", "--set", AWAY, status=1).stderr


def test_what_is_given_up_can_be_looked_at(kept):
    kept.publish("sp.demo.0.low", 1)
    rows = eventually(lambda: letters(kept))
    shown = kept("dlq", "show", rows[0]["id"])

    assert rows[0]["code"] == "SP-E301"
    assert "Dead letter" in shown.stdout
    assert "none to be read, 1 bytes" in shown.stdout
    assert f"{len(rows)} are in the store" in kept("status").stdout
    kept("dlq", "list", "--target", "nobody", status=3)


def letters(kept):
    """The dead letters of the store; none is exit code 3."""
    done = run("dlq", "list", "-o", "json", cwd=kept.directory)
    return json.loads(done.stdout)


def test_without_a_store_dead_letters_are_looked_for_in_the_broker(kept):
    error = kept("dlq", "list", "--set", "store.dsn=", status=1).stderr
    assert "SP-E703" in error
    assert "sp.dead" in error


def test_private_services_have_a_key_for_their_audit(kept):
    path = kept.directory / ".syncpipe" / "audit.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert "${file:" in (kept.directory / ".syncpipe" / "syncpipe.toml").read_text(encoding="utf-8")
    head = json.loads(kept("audit", "export").stdout.splitlines()[-1])["head"]
    (found,) = json.loads(kept("audit", "verify", "--head", head, "-o", "json").stdout)
    assert found["ok"]
