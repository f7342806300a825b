"""``syncpipe replay``: what is shown of the jobs that send dead letters again, and their acts."""

from __future__ import annotations

import functools
import json

import pytest

from syncpipe.cli.output import Exit
from syncpipe.core.audit import Act
from syncpipe.core.filter_language import parse
from syncpipe.core.outcome import Outcome
from syncpipe.store.replays import Order, Report
from tests.integration.deadletters.samples import dead


@pytest.fixture
def replay(run):
    """Runs ``syncpipe replay``."""
    return functools.partial(run, noun="replay")


@pytest.fixture
def made(store):
    """A replay of three dead letters."""
    store.dead_letters.record([dead(number) for number in range(1, 4)])
    order = Order(parse("target:crm", now_ms=0), "target:crm", rate=200.0, canary=1)
    return store.replays.create(order, Act("ann@laptop", "dlq.replay", "", "pg failover"))


def test_without_a_replay_it_says_so(replay):
    assert "There is no replay." in replay("list", status=Exit.NOTHING).stderr
    assert "No replay is active." in replay("list", "--active", status=Exit.NOTHING).stderr
    assert "syncpipe replay list" in replay("show", "0197a000", status=Exit.NOTHING).stderr


def test_replays_are_listed(replay, made):
    lines = replay("list").stdout.splitlines()
    assert lines[0].split() == [
        *("ID", "AGE", "STATE", "TOTAL", "SENT", "OUTCOMES", "BY", "FILTER")
    ]
    assert lines[1].split()[0] == made.id
    assert lines[1].split()[2:] == ["canary", "3", "0", "-", "ann@laptop", "target:crm"]
    (row,) = json.loads(replay("list", "-o", "json", "--active").stdout)
    assert (row["id"], row["rate"], row["canary"], row["outcomes"]) == (made.id, 200.0, 1, {})


def test_one_is_shown_by_the_beginning_of_its_id(replay, made, store):
    store.outcomes.report(
        [Report(made.id, dead(1).id, Outcome.APPLIED), Report(made.id, dead(2).id, Outcome.DEAD)]
    )
    text = replay("show", made.id[:8]).stdout
    assert text.splitlines()[0] == f"Replay {made.id}, canary"
    assert "letters     3, 0 sent, 2 with an outcome" in text
    assert "outcomes    1 applied, 1 dead" in text
    assert "how         200/s, canary of 1, pauses when more than 5% of them are dead again" in text
    assert "why         pg failover" in text
    assert f"syncpipe dlq list 'replay:{made.id[:8]} state:open'" in text


def test_it_is_paused_resumed_and_cancelled_with_a_record_of_each(replay, made, acts):
    assert ", paused" in replay("pause", made.id, "--reason", "not now").stdout
    error = replay("pause", made.id, status=Exit.FAILED).stderr
    assert "SP-E804" in error
    assert ", canary" in replay("resume", made.id).stdout
    replay("cancel", made.id, status=Exit.USAGE)
    (row,) = json.loads(replay("cancel", made.id, "--reason", "wrong", "-o", "json").stdout)
    assert (row["state"], row["sent"]) == ("cancelled", 0)
    found = [(act.verb, act.subject, act.reason) for act in acts()]
    assert found == [
        ("replay.pause", made.id, "not now"),
        ("replay.resume", made.id, ""),
        ("replay.cancel", made.id, "wrong"),
    ]


def test_one_that_stopped_by_itself_is_unhealthy(replay, made, store):
    turn = store.replaying.take(seconds=1)
    store.replaying.end(turn, type(made.state)("paused"), stopped="3 of 3 are dead again")
    done = replay("show", made.id, status=Exit.UNHEALTHY)
    assert "stopped     3 of 3 are dead again" in done.stdout


def test_viewers_look_and_nothing_more(replay, made, acts):
    replay("list", role="viewers")
    replay("show", made.id, role="viewers")
    before = acts()
    for act in ("pause", "resume", "cancel"):
        done = replay(act, made.id, "--reason", "x", role="viewers", status=Exit.FAILED)
        assert "SP-E802" in done.stderr
    assert acts() == before
    replay("pause", made.id, role="operators")
