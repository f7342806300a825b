"""Who may pause targets and empty queues, and what the audit says of it."""

from __future__ import annotations

import os
import pwd
import socket

import pytest

from syncpipe import transport
from syncpipe.cli.output import Exit
from syncpipe.resilience.hold import Hold
from syncpipe.transport.broker import Outbound, Reclaimed

SOMEBODY = f"{pwd.getpwuid(os.geteuid()).pw_name}@{socket.gethostname()}"
QUEUE = "sp.crm.0.low"
PURGE = ("purge", QUEUE, "--yes", "--reason", "Test data.")
ACTS = [
    ("target", "pause", "crm", "--reason", "Maintenance."),
    ("target", "resume", "crm"),
    ("queue", *PURGE),
    ("queue", "rescue"),
]
#: Where no store answers.
AWAY = ("--set", "store.dsn=host=/nowhere/at/all connect_timeout=1")


@pytest.fixture(autouse=True)
def _waiting(broker):
    """One message waits."""
    broker.declare([QUEUE])
    broker.publish([Outbound(QUEUE, b"x", "0" * 32, "t")], timeout_s=1)


@pytest.fixture(autouse=True)
def rescued(monkeypatch):
    """The addresses of brokers of which messages were rescued."""
    urls = []

    def rescue(url, **_):
        urls.append(url)
        return Reclaimed(3, 0)

    monkeypatch.setattr(transport, "rescue", rescue)
    return urls


@pytest.fixture
def depth(broker):
    """How many messages wait."""
    return lambda: broker.depths([QUEUE])[QUEUE].ready


def test_a_pause_and_its_end_are_entries_of_whoever_wanted_them(run, store, acts, monkeypatch):
    monkeypatch.setenv("LOGNAME", "somebody else")
    paused = run("pause", "crm", "--reason", "Maintenance.", noun="target", role="operators")
    run("pause", "crm", "--reason", "Again.", noun="target")
    run("resume", "crm", "--force-close", "--reason", "Now.", noun="target")
    run("resume", "crm", noun="target")

    assert [(act.verb, act.subject, act.reason, act.details) for act in acts()] == [
        ("target.pause", "crm", "Maintenance.", {"hold": "open"}),
        ("target.resume", "crm", "Now.", {"hold": "closed"}),
        ("target.resume", "crm", "", {"hold": "none"}),
    ]
    assert {act.actor for act in acts()} == {SOMEBODY}
    assert SOMEBODY in paused.stdout
    assert "Audit: " in paused.stderr
    assert store.pauses.current()["crm"].hold is Hold.NONE


def test_queues_are_emptied_after_an_entry_says_so(run, acts, depth):
    done = run(*PURGE, noun="queue", role="operators")

    (act,) = acts()
    assert (act.actor, act.verb, act.subject, act.reason) == (
        *(SOMEBODY, "queue.purge"),
        *(QUEUE, "Test data."),
    )
    assert act.details == {"queues": {QUEUE: 1}}
    assert f'"actor": "{SOMEBODY}"' in done.stderr
    assert depth() == 0


def test_a_rescue_is_an_entry_too(run, acts, rescued):
    assert "3 messages" in run("rescue", noun="queue").stdout
    assert [(act.verb, act.subject) for act in acts()] == [("queue.rescue", "*")]
    assert len(rescued) == 1


@pytest.mark.parametrize("act", ACTS)
def test_viewers_may_not(run, store, acts, depth, rescued, act):
    noun, *words = act
    refused = run(*words, noun=noun, role="viewers", status=Exit.FAILED)

    assert "SP-E802" in refused.stderr
    assert (acts(), store.pauses.current(), depth(), rescued) == ([], {}, 1, [])


def test_a_plan_is_for_everybody(run, acts, depth):
    assert QUEUE in run("purge", QUEUE, "--dry-run", noun="queue", role="viewers").stdout
    assert (acts(), depth()) == ([], 1)


@pytest.mark.parametrize("act", ACTS)
def test_without_a_key_everything_works_and_nothing_is_written_down(run, acts, act):
    noun, *words = act
    done = run(*words, "--set", "audit.key=", noun=noun)

    assert "Audit" not in done.stderr
    assert acts() == []


@pytest.mark.parametrize("act", ACTS[2:])
@pytest.mark.parametrize("without", [("--set", "store.dsn="), AWAY])
def test_queues_need_no_store(run, depth, act, without):
    noun, *words = act
    done = run(*words, *without, noun=noun)

    assert ("This is in no audit: " in done.stderr) is (without is AWAY)
    assert depth() == (0 if "purge" in act else 1)


def test_another_key_changes_nothing(run, store, acts, depth):
    run("pause", "crm", "--reason", "x", noun="target")
    known = acts()
    other = ("--set", f"audit.key={bytes(range(1, 33)).hex()}")
    for noun, *words in ACTS[1:]:
        refused = run(*words, *other, noun=noun, status=Exit.FAILED)
        assert "SP-E805" in refused.stderr
    assert acts() == known
    assert store.pauses.current()["crm"].hold is Hold.OPEN
    assert depth() == 1


def test_while_the_store_is_away_nobody_has_its_roles(run, depth):
    roles = ("--set", 'access.operators=["postgres:postgres"]', "--set", "access.admins=[]")
    denied = run(
        *PURGE, *AWAY, *roles, "--set", "access.default=viewer", noun="queue", status=Exit.FAILED
    )
    assert "Nobody can tell what roles of PostgreSQL you have" in denied.stderr
    assert "SP-E802" in denied.stderr
    assert depth() == 1
    run(*PURGE, *AWAY, *roles, noun="queue")
    assert depth() == 0
