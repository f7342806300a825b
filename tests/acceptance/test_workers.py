from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import closing

import psycopg
import pytest
from msgspec.structs import replace
from redis import Redis

from syncpipe.app import REFUSED
from syncpipe.core.codec import encode
from syncpipe.core.routing import Lane, Priority
from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.broker import Outbound
from tests.acceptance.fleet import LANES, PATIENCE_S, ROOT, Fleet, end, until
from tests.acceptance.processes import run
from tests.servers import postgres_server, redis_cluster, redis_server

LANE = Lane("crm", 0)
QUEUE = LANE.queue(Priority.NORMAL)


@pytest.fixture
def fleet(tmp_path, redis_url, dsn):
    with Fleet(tmp_path, redis_url, dsn) as fleet:
        yield fleet


@pytest.mark.parametrize("processes", [1, 4])
def test_any_number_of_workers_makes_the_same_rows(fleet, processes):
    fleet.send(1000)
    for _ in range(processes):
        fleet.start(ready=False)
    fleet.settle()
    assert fleet.rows() == fleet.expected()
    assert fleet.dead() == []


def test_the_log_is_one_json_line_per_batch_and_nothing_else(fleet):
    number = fleet.send(300)
    worker = fleet.start()
    fleet.settle()
    assert end(worker) == 0
    assert fleet.complaints() == ""
    assert set(fleet.events()) == {"worker-ready", "lanes-assigned", "batch", "drained"}
    assert fleet.applied() == number


def test_sigterm_in_the_middle_finishes_what_has_begun_and_returns_the_rest(fleet):
    worker = fleet.start()
    fleet.send(4000)
    until(fleet.applied, "a first batch")
    assert end(worker) == 0
    assert fleet.lines()[-1]["unfinished"] == 0
    fleet.start()
    fleet.settle()
    assert fleet.rows() == fleet.expected()


def test_a_warm_end_does_not_wait_for_ever(tmp_path, redis_url, dsn):
    with Fleet(tmp_path, redis_url, dsn, "[worker]\ndrain_timeout_s = 0.5") as fleet:
        worker = fleet.start()
        with psycopg.connect(dsn) as other:
            other.execute("LOCK TABLE syncpipe.documents")
            fleet.send(200)
            until(fleet.busy, "a batch that runs")
            assert end(worker) == 0
            assert fleet.lines()[-1]["unfinished"] > 0
        fleet.start()
        fleet.settle()
        assert fleet.rows() == fleet.expected()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_sudden_end_in_the_middle_changes_nothing(fleet, how):
    worker = fleet.start()
    fleet.send(4000)
    until(fleet.applied, "a first batch")
    assert end(worker, how) != 0
    fleet.start()
    fleet.settle()
    assert fleet.rows() == fleet.expected()
    assert fleet.dead() == []


def test_what_the_last_worker_held_is_rescued_by_a_command(fleet):
    worker = fleet.start()
    with psycopg.connect(fleet.dsn) as other:
        other.execute("LOCK TABLE syncpipe.documents")
        fleet.send(200)
        until(fleet.busy, "a batch that runs")
        end(worker, signal.SIGKILL)

    rescued = run("queue", "rescue", "--config", fleet.config, cwd=fleet.folder)

    assert re.fullmatch(r"[1-9]\d* messages went back to their queues\.\n", rescued.stdout)
    assert sum(depth.unacked for depth in fleet.broker.depths(LANES).values()) == 0
    fleet.start()
    fleet.arrive()


def test_a_node_of_a_cluster_keeps_a_worker_from_starting(tmp_path, dsn):
    with redis_cluster() as url, Fleet(tmp_path, url, dsn) as fleet:
        assert fleet.start(ready=False).wait(PATIENCE_S) == REFUSED
        (line,) = fleet.lines()
    assert (line["event"], line["code"]) == ("refused-to-start", "SP-E103")


def test_two_workers_on_every_lane_survive_that_one_is_killed(fleet):
    first, _ = fleet.start(), fleet.start()
    for _ in range(5):
        fleet.send(500)
    until(fleet.applied, "a first batch")
    end(first, signal.SIGKILL)
    fleet.send(500)
    fleet.settle()
    assert fleet.rows() == fleet.expected()


def test_while_the_target_is_down_envelopes_wait_and_go_on_by_themselves(tmp_path, redis_url):
    with postgres_server() as server, Fleet(tmp_path, redis_url, server.dsn) as fleet:
        fleet.start()
        fleet.send(500)
        fleet.settle()
        os.kill(server.supervisor.pids()["postgres"], signal.SIGKILL)
        fleet.send(500)
        fleet.settle()
        # Its last backends may have taken everything before they noticed that it is gone.
        assert until(lambda: reading(fleet), "a database that answers") == fleet.expected()
        assert fleet.dead() == []


def test_a_worker_starts_and_waits_while_the_target_is_down(tmp_path, redis_url):
    with postgres_server() as server, Fleet(tmp_path, redis_url, server.dsn) as fleet:
        fleet.send(200)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA syncpipe RENAME TO away")
            fleet.start()
            until(lambda: fleet.events()["target-paused"], "an alarm")
            connection.execute("ALTER SCHEMA away RENAME TO syncpipe")
        fleet.settle()
        assert fleet.rows() == fleet.expected()
        assert fleet.dead() == []
        assert fleet.events()["target-paused"] == 1


def test_a_target_that_is_down_slows_no_other(tmp_path, redis_url, dsn):
    extra = f"""
        [targets.erp]
        type = "postgres"
        dsn = "host={tmp_path} dbname=nobody"
        [collections.stock]
        target = "erp"
    """
    with Fleet(tmp_path, redis_url, dsn, extra) as fleet:
        lane = Lane("erp", 0)
        stuck = [
            fleet.outbound(lane, Priority.CRITICAL, [encode(replace(each, collection="stock"))])
            for each in fleet.operations(300)
        ]
        assert set(fleet.broker.publish(stuck, timeout_s=60)) == {None}
        fleet.start()
        until(lambda: fleet.events()["target-paused"], "an alarm")
        fleet.send(500)
        until(lambda: fleet.rows() == fleet.expected(), "the rows of the other target")
        # Rows are there before their messages are acknowledged.
        until(lambda: fleet.pending() == 300, "acknowledgements of the other target alone")
        assert fleet.dead() == []


def test_a_target_that_hangs_leaves_room_to_others(tmp_path, redis_url, dsn, postgres):
    """Its messages fill what the worker prefetches, and its batches never end."""
    erp = postgres.new_database()
    extra = f"""
        [targets.erp]
        type = "postgres"
        dsn = "{erp}"
        statement_timeout_s = "1h"
        lock_timeout_s = "1h"
        breaker_hang_s = "3h"
        [collections.stock]
        target = "erp"
    """
    with (
        Fleet(tmp_path, redis_url, dsn, extra) as fleet,
        psycopg.connect(erp, autocommit=False) as holder,
    ):
        with closing(fleet.parts.target("erp")) as target:
            target.init()
        holder.execute("LOCK TABLE syncpipe.documents")
        lane = Lane("erp", 0)
        stuck = [
            fleet.outbound(lane, Priority.CRITICAL, [encode(replace(each, collection="stock"))])
            for each in fleet.operations(300)
        ]
        assert set(fleet.broker.publish(stuck, timeout_s=60)) == {None}
        fleet.start()
        until(fleet.busy, "a batch that hangs")
        fleet.send(500)
        until(lambda: fleet.rows() == fleet.expected(), "the rows of the other target")
        until(lambda: fleet.pending() == 300, "acknowledgements of all but what hangs")
        holder.rollback()
        fleet.settle()
        assert fleet.dead() == []
    postgres.drop_database(erp)


def test_workers_survive_the_death_of_the_broker(tmp_path, dsn):
    with redis_server(append_fsync="always") as server, Fleet(tmp_path, server.url, dsn) as fleet:
        worker = fleet.start()
        fleet.send(2000)
        until(fleet.applied, "a first batch")
        os.kill(server.supervisor.pids()["redis"], signal.SIGKILL)
        until(lambda: not asking(fleet), "a broker that answers and is empty")
        assert fleet.rows() == fleet.expected()
        assert worker.poll() is None
        fleet.send(200)
        fleet.settle()
        assert fleet.rows() == fleet.expected()


def reading(fleet):
    """The rows; None while the database does not answer."""
    try:
        return fleet.rows()
    except psycopg.OperationalError:
        return None


def asking(fleet):
    """What is pending; something, while the broker does not answer."""
    try:
        return fleet.pending()
    except BrokerUnavailable:
        return 1


def test_what_celery_would_drop_is_kept_raw(fleet, redis_url):
    garbage = {
        "not a message": b"\x00\xff garbage",
        "no task": b'{"headers": {}, "properties": {"delivery_info": {}}, "body": "x"}',
        "task is a list": b'{"headers": {"task": ["syncpipe.apply"]}, '
        b'"properties": {"delivery_info": {}}, "body": "x"}',
        "body is no text": b'{"headers": {"task": "syncpipe.apply"}, '
        b'"properties": {"delivery_info": {}}, "body": "\\ud800"}',
    }
    with Redis(unix_socket_path=redis_url.removeprefix("redis+socket://")) as client:
        for raw in garbage.values():
            client.lpush(QUEUE, raw)
    outbound = [
        Outbound(QUEUE, b"no envelope", "1", "syncpipe.apply"),
        Outbound(QUEUE, b"another task", "2", "somebody.else"),
    ]
    assert fleet.broker.publish(outbound, timeout_s=60) == [None, None]
    fleet.send(50)
    fleet.start()
    fleet.settle()
    raw = {letter.raw for letter in fleet.dead()}
    whole = set(garbage.values()) - {garbage["no task"]}
    assert whole | {b"no envelope", b"another task"} <= raw
    assert len(fleet.dead()) == 6
    assert fleet.rows() == fleet.expected()


def test_lanes_of_another_number_of_shards_are_emptied_too(fleet):
    fleet.start()
    fleet.send(200, shards=9)
    fleet.settle()
    assert fleet.rows() == fleet.expected()


def test_a_worker_announces_itself_and_withdraws(fleet):
    number = fleet.send(100)
    worker = fleet.start()
    fleet.settle()

    def counted():
        workers = fleet.broker.workers()
        outcomes = ("applied", "merged", "duplicate", "superseded")
        return [w for w in workers if sum(w.counters[name] for name in outcomes) == number]

    (info,) = until(counted, "an announcement of all that was counted")
    assert info.pid == worker.pid
    end(worker)
    assert fleet.broker.workers() == []


def test_a_clock_that_is_off_keeps_a_worker_from_starting(fleet):
    with psycopg.connect(fleet.dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA faked")
        connection.execute(
            "CREATE FUNCTION faked.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
            "$$ SELECT pg_catalog.clock_timestamp() + interval '6 seconds' $$"
        )
        name = connection.execute("SELECT current_database()").fetchone()[0]
        connection.execute(f'ALTER DATABASE "{name}" SET search_path = faked, pg_catalog, public')
    worker = fleet.start(ready=False)
    assert worker.wait(PATIENCE_S) == REFUSED
    (line,) = (each for each in fleet.lines() if each["event"] == "refused-to-start")
    assert line["code"] == "SP-E602"
    assert "ms behind" in line["error"]


def test_a_broken_configuration_is_told_on_stderr(tmp_path):
    config = tmp_path / "syncpipe.toml"
    config.write_text("[targets.crm]\ntypo = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "workers", "--config", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (REFUSED, "")
    assert "SP-E100" in done.stderr


def test_celerys_own_command_starts_a_worker_too(fleet):
    fleet.send(200)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "workers.app", "worker"],
        cwd=ROOT,
        env={**os.environ, "SYNCPIPE_CONFIG": str(fleet.config)},
    )
    fleet.workers.append(worker)
    fleet.settle()
    assert fleet.rows() == fleet.expected()
    assert end(worker) == 0
