"""The main job on real processes: from the client to rows that an independent oracle checks."""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager

import psycopg
import pytest
from redis import Redis

from syncpipe.core.routing import queues_of
from syncpipe.demo.feed import feed
from syncpipe.demo.oracle import actual
from syncpipe.demo.run import hire, open_stage, settle, verify
from syncpipe.demo.stage import TARGET, dead_letters_of
from syncpipe.errors import Stalled
from tests.acceptance.processes import PATIENCE_S, living, read_until, run, started
from tests.patience import eventually
from tests.servers import short_directory

KEYS = [
    *("sent", "deliveries", "applied", "merged", "superseded", "duplicates", "dead", "expired"),
    *("lost", "mismatches", "seconds", "ops_per_s", "p50_ms", "p99_ms"),
    *("poisoned", "outage_s"),
]
ALTER_ONE = """
    UPDATE syncpipe.documents SET document = document || '{"never sent": 1}'
    WHERE ctid = (SELECT ctid FROM syncpipe.documents WHERE document IS NOT NULL LIMIT 1)
"""
MEND = "UPDATE syncpipe.documents SET document = document - 'never sent'"
ADD_ONE = """
    INSERT INTO syncpipe.documents (collection, key, document, version, tie)
    SELECT 'airports', 'never sent', document, version, tie FROM syncpipe.documents
    WHERE document IS NOT NULL LIMIT 1
"""


def ignore(_text):
    """Nobody wants to hear of progress."""


@contextmanager
def stage(processes):
    """Open a stage with so many workers."""
    with short_directory() as directory, open_stage(directory / "state", ignore) as (opened, sup):
        if processes:
            hire(opened, sup, processes, ignore)
        yield opened, sup


def findings(opened, fed):
    """Return what the oracle counts: lost and mismatches."""
    verdict = verify(opened, fed)
    return verdict.lost, verdict.mismatches


def execute(opened, statement):
    """Change rows behind the back of everybody; return how many."""
    with psycopg.connect(opened.services.dsn) as connection:
        return connection.execute(statement).rowcount


def test_the_demonstration_prints_one_object_and_every_row_is_right(place):
    elsewhere = {"SYNCPIPE__BROKER__URL": "redis://nowhere:1/0", "SYNCPIPE__SHARDS": "3"}
    done = run("demo", "--ops", 2000, "--json", cwd=place, TMPDIR=str(place), **elsewhere)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert list(result) == KEYS
    assert (result["sent"], result["lost"], result["mismatches"]) == (2000, 0, 0)
    assert result["deliveries"] == sum(result[name] for name in KEYS[2:8])
    assert result["deliveries"] >= 2000
    assert (result["dead"], result["poisoned"], result["outage_s"]) == (0, 0, 0)
    assert list(place.iterdir()) == []


def test_one_operation_is_enough(place):
    done = run("demo", "--ops", 1, "--processes", 1, cwd=place, TMPDIR=str(place))
    assert done.returncode == 0, done.stderr
    assert "lost 0, mismatches 0: every row is right" in done.stdout


def test_poison_and_an_outage_in_one_run_and_every_row_is_right(place):
    flags = ("--poison", "1%", "--outage", "3s")
    done = run("demo", "--ops", 5000, *flags, "--json", cwd=place, TMPDIR=str(place))
    assert done.returncode == 0, done.stderr
    assert "stopped PostgreSQL for 3 s" in done.stderr
    result = json.loads(done.stdout)
    assert list(result) == KEYS
    assert (result["sent"], result["lost"], result["mismatches"]) == (5000, 0, 0)
    assert (result["dead"], result["poisoned"], result["outage_s"]) == (50, 50, 3)
    assert result["seconds"] >= 3
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(("ops", "share", "poisoned"), [(1, "0.1%", 1), (600, "50%", 300)])
def test_any_share_of_any_number_of_operations_may_be_poisoned(place, ops, share, poisoned):
    done = run("demo", "--ops", ops, "--poison", share, "--json", cwd=place, TMPDIR=str(place))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["sent"], result["dead"], result["poisoned"]) == (ops, poisoned, poisoned)


def test_nothing_is_left_when_the_demonstration_is_ended_during_an_outage(place):
    with started("demo", "--ops", 100, "--outage", "1h", cwd=place, TMPDIR=str(place)) as process:
        read_until(process.stderr, "stopped PostgreSQL")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 143
    eventually(lambda: not living(place), within_s=PATIENCE_S)
    assert list(place.iterdir()) == []


def test_the_oracle_sees_a_poisoned_row_that_came_through():
    with stage(processes=1) as (opened, _):
        fed = feed(opened.app, 100, 3, ignore, poisoned=1)
        settle(opened, ignore)
        assert findings(opened, fed)[1] == 1
        assert dead_letters_of(opened) == 0


def test_the_oracle_sees_a_row_that_was_altered_and_one_that_was_added():
    with stage(processes=1) as (opened, _):
        fed = feed(opened.app, 1000, 3, ignore)
        settle(opened, ignore)
        assert findings(opened, fed) == (0, 0)

        assert execute(opened, ALTER_ONE) == 1
        assert findings(opened, fed)[1] == 1

        execute(opened, MEND)
        assert findings(opened, fed) == (0, 0)

        assert execute(opened, ADD_ONE) == 1
        assert findings(opened, fed)[1] == 1


def test_what_is_dropped_on_the_way_is_lost():
    with stage(processes=0) as (opened, supervisor):
        fed = feed(opened.app, 1000, 3, ignore)
        run_dir = opened.services.record.run_dir
        with Redis(unix_socket_path=f"{run_dir}/redis/redis.sock") as client:
            lengths = {name: client.llen(name) for name in queues_of(TARGET, 8) if "normal" in name}
            # One envelope may hold nothing that counts: what follows it may supersede it all.
            assert client.delete(max(lengths, key=lengths.get))
        hire(opened, supervisor, 1, ignore)
        settle(opened, ignore)
        lost, mismatches = findings(opened, fed)
        assert lost >= 1
        assert mismatches >= 1


def test_any_number_of_processes_gives_the_same_rows():
    found = []
    for processes in (1, 4):
        with stage(processes) as (opened, _):
            fed = feed(opened.app, 2000, 7, ignore)
            settle(opened, ignore)
            assert findings(opened, fed) == (0, 0)
            rows = actual(opened.services.dsn)
            found.append({(row.collection, row.key_text): row.document for row in rows})
    assert found[0] == found[1]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_worker_in_the_middle_changes_nothing(signum):
    with stage(processes=2) as (opened, supervisor):
        before = supervisor.pids()["worker-1"]
        progress = []

        def end_worker(text):
            progress.append(text)
            if text.startswith("sent 10,000"):
                os.kill(before, signum)

        fed = feed(opened.app, 20_000, 9, end_worker)
        settle(opened, ignore)
        assert progress[0].startswith("sent 10,000")
        assert findings(opened, fed) == (0, 0)
        eventually(lambda: supervisor.pids()["worker-1"] not in {None, before})


def test_a_pipeline_in_which_nothing_moves_is_not_waited_for():
    with stage(processes=0) as (opened, _):
        feed(opened.app, 10, 1, ignore)
        with pytest.raises(Stalled, match="none has moved"):
            settle(opened, ignore, stalled_s=0.5)


@pytest.mark.parametrize(
    ("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_when_the_demonstration_is_ended(place, signum, status):
    with started("demo", "--ops", 1_000_000, cwd=place, TMPDIR=str(place)) as process:
        read_until(process.stderr, "sent 10,000")
        assert living(place)
        process.send_signal(signum)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status
    eventually(lambda: not living(place), within_s=PATIENCE_S)
    if signum != signal.SIGKILL:
        assert list(place.iterdir()) == []
