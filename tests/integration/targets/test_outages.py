"""What a target raises when its server is busy, away or locked, and how it comes back."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest
from psycopg import conninfo

from syncpipe.core.outcome import Outcome
from syncpipe.errors import (
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetUnavailable,
)
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from tests.integration.targets.places import PLACES, YOUNG, execute, operation
from tests.patience import eventually
from tests.servers import postgres_server


@pytest.fixture(params=PLACES)
def place(request, dsn):
    with PLACES[request.param](dsn) as place:
        yield place


def test_a_lock_that_somebody_holds_makes_it_busy(place, at):
    target = place.another(lock_timeout_s=0.05)
    place.apply(operation("upsert", "k", at, {"a": 1}))
    with psycopg.connect(place.dsn) as outsider:
        outsider.execute("UPDATE syncpipe.documents SET floor = floor")
        outsider.execute("UPDATE syncpipe.records SET floor = floor")
        with pytest.raises(TargetBusy) as caught:
            place.apply(operation("upsert", "k", at + 1, {"a": 2}), by=target)
    assert caught.value.sqlstate == "55P03"
    (result,) = place.apply(operation("upsert", "k", at + 1, {"a": 2}), by=target)
    assert result.outcome is Outcome.APPLIED
    target.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_is_stopped_while_it_writes_keeps_nothing_locked(place, at):
    stopped = place.another(idle_in_transaction_timeout_s=0.5)
    place.apply(operation("upsert", "k", at, {"a": 1}))
    with psycopg.connect(place.dsn) as outsider:
        outsider.execute("UPDATE syncpipe.documents SET floor = floor")
        outsider.execute("UPDATE syncpipe.records SET floor = floor")
        child = os.fork()
        if child == 0:
            try:
                _apply_once_for_sure(place, operation("upsert", "k", at + 1, {"a": 2}), stopped)
            finally:
                os._exit(0)
        eventually(lambda: _somebody_waits(place.dsn))
        os.kill(child, signal.SIGSTOP)
    try:
        eventually(lambda: _applied(place, operation("upsert", "k", at + 2, {"a": 3})))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _somebody_waits(dsn):
    """Tell whether a connection waits for a lock; a transaction would see the same for ever."""
    query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).rowcount


def _apply_once_for_sure(place, change, by):
    """Apply *change*, again where a slow machine has used up the time before it had to wait."""
    while True:
        with suppress(TargetUnavailable):
            place.apply(change, by=by)
            return


def _applied(place, change):
    """Apply *change*; tell whether nobody else had its record locked for too long."""
    try:
        return place.apply(change)
    except TargetBusy:
        return None


def test_a_statement_that_takes_too_long_is_refused_for_now(place, at):
    target = place.another(statement_timeout_s=0.05)
    place.apply(operation("upsert", "k", at, {"a": 1}))
    with psycopg.connect(place.dsn) as outsider:
        outsider.execute("UPDATE syncpipe.documents SET floor = floor")
        outsider.execute("UPDATE syncpipe.records SET floor = floor")
        with pytest.raises(RefusedForNow) as caught:
            place.apply(operation("upsert", "k", at + 1, {"a": 2}), by=target)
    assert caught.value.sqlstate == "57014"
    target.close()


def test_a_deadlock_with_an_outsider_makes_one_of_them_busy(place, at):
    keys = ("k1", "k2", "k3")
    place.apply(*(operation("upsert", key, at, {"a": 0}) for key in keys))
    lock = "UPDATE syncpipe.{} SET floor = floor WHERE key = '{}'"
    table = "records" if place.columns else "documents"
    name = conninfo.conninfo_to_dict(place.dsn)["dbname"]
    # Who finds a deadlock is its victim: ours, as it closes the ring and the outsider never looks.
    execute(place.dsn, f'ALTER DATABASE "{name}" SET deadlock_timeout = 10')
    target = place.another(lock_timeout_s=300)
    with (
        ThreadPoolExecutor(2) as threads,
        psycopg.connect(place.dsn) as gate,
        psycopg.connect(place.dsn) as outsider,
    ):
        outsider.execute("SET deadlock_timeout = '1h'")
        outsider.execute(lock.format(table, "k3"))
        gate.execute(lock.format(table, "k2"))
        ours = (operation("upsert", key, at + 1, {"a": 1}) for key in keys)
        applying = threads.submit(place.apply, *ours, by=target)
        _until_waiting(place.dsn, 1)
        theirs = threads.submit(outsider.execute, lock.format(table, "k1"))
        _until_waiting(place.dsn, 2)
        gate.rollback()
        with pytest.raises(TargetBusy) as caught:
            applying.result()
        theirs.result()
    assert caught.value.sqlstate == "40P01"
    target.close()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["killed", "restarted"])
def test_a_server_that_was_away_is_used_again(stop):
    with postgres_server() as server, PLACES["document"](server.dsn) as place:
        place.apply(operation("upsert", "k", YOUNG, {"a": 1}))
        before = server.supervisor.pids()["postgres"]
        os.kill(before, stop)
        deadline = time.monotonic() + 60
        version, errors = YOUNG, []
        while True:
            version += 1
            try:
                place.apply(operation("upsert", "k", version, {"a": version}))
            except TargetError as error:
                errors.append(error)
            else:
                if server.supervisor.pids().get("postgres") not in (None, before):
                    break
            assert time.monotonic() < deadline
        assert errors
        assert {type(error) for error in errors} == {TargetUnavailable}
        assert place.rows(["k"]) == {"k": place.meant({"a": version})}


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    options = PostgresOptions("test", f"host={tmp_path} dbname=x", connect_timeout_s=0.2)
    target = PostgresTarget(options, {})
    with pytest.raises(TargetUnavailable):
        target.now_ms()
    assert [(check.name, check.ok) for check in target.test()] == [("connect", False)]
    target.close()


def test_a_database_that_does_not_exist_is_named(dsn):
    elsewhere = conninfo.make_conninfo(dsn, dbname="nowhere")
    target = PostgresTarget(PostgresOptions("test", elsewhere), {})
    with pytest.raises(TargetUnavailable, match="nowhere"):
        target.now_ms()
    target.close()


def test_a_standby_is_unavailable_not_a_bad_record(place, at):
    name = conninfo.conninfo_to_dict(place.dsn)["dbname"]
    execute(place.dsn, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    target = place.another()
    with pytest.raises(TargetUnavailable) as caught:
        place.apply(operation("upsert", "k", at, {"a": 1}), by=target)
    assert caught.value.sqlstate == "25006"
    target.close()


def test_a_revoked_right_is_a_misconfiguration_that_test_names(place, at):
    execute(
        place.dsn,
        "DROP ROLE IF EXISTS clerk",
        "CREATE ROLE clerk LOGIN",
        "GRANT USAGE ON SCHEMA syncpipe TO clerk",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA syncpipe, public TO clerk",
    )
    dsn = conninfo.make_conninfo(place.dsn, user="clerk")
    target = PostgresTarget(PostgresOptions("test", dsn), {"notes": place.collection})
    place.apply(operation("upsert", "k", at, {"a": 1}), by=target)
    assert all(check.ok for check in target.test() if check.name != "fsync")

    execute(place.dsn, "REVOKE UPDATE ON ALL TABLES IN SCHEMA syncpipe FROM clerk")
    with pytest.raises(TargetMisconfigured):
        place.apply(operation("upsert", "k", at + 1, {"a": 2}), by=target)
    (rights,) = [check for check in target.test() if check.name == "rights"]
    assert not rights.ok
    assert "UPDATE on syncpipe" in rights.detail.replace('"', "")
    target.close()
    execute(place.dsn, "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_without_its_tables_it_is_a_misconfiguration_until_init(dsn):
    with PLACES["document"](dsn) as place:
        execute(dsn, "DROP SCHEMA syncpipe CASCADE")
        with pytest.raises(TargetMisconfigured):
            place.apply(operation("upsert", "k", YOUNG, {"a": 1}))
        (tables,) = [check for check in place.target.test() if check.name == "tables"]
        assert "target init test" in tables.detail

        assert place.target.init() == place.target.init()
        assert place.outcomes(operation("upsert", "k", YOUNG, {"a": 1})) == [Outcome.APPLIED]


def _until_waiting(dsn, number) -> None:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with psycopg.connect(dsn, autocommit=True) as monitor:
        eventually(lambda: monitor.execute(query).fetchone() == (number,))
