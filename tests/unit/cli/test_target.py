"""Pausing and resuming targets, and what is shown of them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from syncpipe import app as wiring
from syncpipe.cli import main
from syncpipe.cli.output import Exit
from syncpipe.errors import BrokerUnavailable, StoreUnavailable
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.store import MemoryStore
from syncpipe.transport.broker import WorkerInfo


@pytest.fixture
def store():
    return MemoryStore(FakeClock())


@pytest.fixture
def broker():
    return MemoryBroker(FakeClock())


@pytest.fixture
def run(tmp_path, monkeypatch, store, broker):
    """Runs ``syncpipe`` on a store and a broker in memory."""
    (tmp_path / "syncpipe.toml").write_text('[targets.crm]\ntype = "postgres"\ndsn = "host=h"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(wiring.App, "store", lambda _: store)
    monkeypatch.setattr(wiring.App, "broker", lambda _: broker)

    def run(*arguments, status=Exit.OK):
        done = CliRunner().invoke(main, [*arguments], prog_name="syncpipe")
        assert done.exit_code == status, done.output
        return done

    return run


def rows(done):
    return json.loads(done.stdout)


def test_a_pause_is_remembered_with_who_and_why(run, store):
    (row,) = rows(run("target", "pause", "crm", "--reason", "maintenance", "-o", "json"))
    assert (row["hold"], row["reason"], row["changed"]) == ("open", "maintenance", True)
    assert "@" in row["by"]
    assert row["since"] == "2026-01-01T00:00:00.000Z"
    assert store.pauses.current()["crm"].hold is Hold.OPEN


def test_pausing_again_changes_nothing_and_says_so(run):
    run("target", "pause", "crm", "--reason", "first")
    again = run("target", "pause", "crm", "--reason", "second")
    assert "first" in again.stdout
    assert "Nothing has changed" in again.stderr


def test_a_pause_needs_a_reason(run):
    run("target", "pause", "crm", status=Exit.USAGE)


@pytest.mark.parametrize(
    ("options", "hold"), [((), Hold.NONE), (("--force-close", "--reason", "x"), Hold.CLOSED)]
)
def test_resuming_ends_it(run, store, options, hold):
    run("target", "pause", "crm", "--reason", "maintenance")
    run("target", "resume", "crm", *options)
    assert store.pauses.current()["crm"].hold is hold


def test_resuming_what_was_never_paused_changes_nothing(run, store):
    assert "Nothing has changed" in run("target", "resume", "crm").stderr
    assert store.pauses.current() == {}


@pytest.mark.parametrize("words", [("pause", "--reason", "x"), ("resume",)])
def test_a_target_that_nobody_declared_and_a_missing_store_are_told(run, monkeypatch, words):
    verb, *options = words
    unknown = run("target", verb, "erp", *options, status=Exit.FAILED)
    assert "SP-E102" in unknown.stderr
    monkeypatch.setattr(wiring.App, "store", lambda _: None)
    without = run("target", verb, "crm", *options, status=Exit.FAILED)
    assert "SP-E703" in without.stderr


def test_the_list_shows_what_is_done_about_each_target(run, store, broker):
    def shown():
        (row,) = rows(run("target", "list", "-o", "json"))
        return row["state"], row["reason"]

    assert shown() == ("closed", None)
    register = Register(3, State.OPEN, since_ms=5, code=501)
    said = {"breaker:crm": register.pack()}
    broker.announce(WorkerInfo("w1", 1, "h", 0, 0, said), ttl_s=9)
    assert shown() == ("open", "SP-E501")
    store.pauses.hold("crm", Hold.OPEN, by="ada@h", reason="maintenance")
    assert shown() == ("paused", "maintenance")
    assert "maintenance" in run("target", "list").stdout


def test_the_list_does_without_broker_and_store(run, store, broker, monkeypatch):
    def away():
        raise BrokerUnavailable("away")

    monkeypatch.setattr(broker, "workers", away)
    store.pauses.fail(StoreUnavailable("away"))
    (row,) = rows(run("target", "list", "-o", "json"))
    assert (row["name"], row["state"]) == ("crm", None)


def test_the_status_shows_it_too_and_that_an_outage_is_not_well(run, store, broker):
    seen = rows(run("status", "-o", "json"))
    assert [each["state"] for each in seen["targets"]] == ["closed"]
    register = Register(3, State.OPEN, since_ms=5, code=501)
    said = {"breaker:crm": register.pack(), "batches": 1}
    broker.announce(WorkerInfo("w1", 1, "h", 0, 0, said), ttl_s=9)
    seen = rows(run("status", "-o", "json", status=Exit.UNHEALTHY))
    assert [each["state"] for each in seen["targets"]] == ["open"]
    assert seen["workers"][0].keys() >= {"batches"}
    assert "breaker:crm" not in seen["workers"][0]
    table = run("status", status=Exit.UNHEALTHY)
    assert "TARGET  STATE" in table.stdout
    assert "left alone, because SP-E501" in table.stderr
    store.pauses.hold("crm", Hold.OPEN, by="ada@h", reason="maintenance")
    seen = rows(run("status", "-o", "json"))
    assert seen["targets"][0]["reason"] == "maintenance"
