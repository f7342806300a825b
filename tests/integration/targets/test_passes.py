"""Records that are tried each for itself, in one transaction: what is refused harms no other."""

from __future__ import annotations

import itertools
import threading

import psycopg
import pytest

from syncpipe.core.operation import KINDS, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.errors import Refused, RefusedForNow, TargetBusy, TargetUnavailable, TooSlow
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.targets.postgres.target import PostgresTarget
from tests.integration.targets.places import (
    NOW_MS,
    document_place,
    execute,
    groups,
    operation,
)
from tests.patience import eventually

_ids = itertools.count(1)
THINGS = "CREATE TABLE things (id text PRIMARY KEY, n int CONSTRAINT positive CHECK (n > 0))"


@pytest.fixture
def passing(at):
    """Apply records each for itself; return the error of each, None where it was taken."""

    def apply(table, values, *, target=None, kind="upsert", field="n"):
        operations = [
            Operation(
                next(_ids).to_bytes(16, "big"), KINDS[kind], "things", key, at, {field: value}
            )
            for key, value in values.items()
        ]
        answers = (target or table.target).apply_each(
            groups(table.collection, operations), now_ms=NOW_MS
        )
        return {answer.group.key: answer.error for answer in answers}

    return apply


def keys(table):
    with psycopg.connect(table.dsn) as connection:
        return [key for (key,) in connection.execute("SELECT id FROM things ORDER BY id")]


def memories(table):
    with psycopg.connect(table.dsn) as connection:
        rows = connection.execute("SELECT key FROM syncpipe.records WHERE version > 0 ORDER BY key")
        return [key for (key,) in rows]


def another(table, **options):
    options = PostgresOptions("test", table.dsn, **options)
    return PostgresTarget(options, {"things": table.collection})


def test_what_is_refused_leaves_no_trace_and_harms_no_other(opened, passing):
    table = opened(THINGS)
    errors = passing(table, {"a": 1, "b": -1, "c": 2, "d": 2**40, "e": 3})
    assert [key for key, error in errors.items() if error is None] == ["a", "c", "e"]
    assert isinstance(errors["b"], Refused)
    assert (errors["b"].sqlstate, errors["b"].constraint) == ("23514", "positive")
    assert (errors["d"].sqlstate, errors["d"].constraint) == ("22003", None)
    assert keys(table) == memories(table) == ["a", "c", "e"]


def test_values_that_fit_no_column_are_answered_without_asking_the_database(opened, at):
    table = opened(THINGS)
    batch = [
        Operation(bytes(15) + b"x", KINDS["increment"], "things", "a", at, {"nowhere": 1}),
        Operation(bytes(15) + b"y", KINDS["upsert"], "things", "b", at, {"n": 1}),
    ]
    answers = table.target.apply_each(groups(table.collection, batch), now_ms=NOW_MS)
    outcomes = {answer.group.key: [r.outcome for r in answer.results] for answer in answers}
    assert outcomes == {"a": [Outcome.DEAD], "b": [Outcome.APPLIED]}


def test_the_first_of_two_that_exclude_each_other_is_taken(opened, passing):
    table = opened("CREATE TABLE things (id text PRIMARY KEY, n int UNIQUE)")
    errors = passing(table, {"a": 1, "b": 1, "c": 2})
    assert [key for key, error in errors.items() if error is None] == ["a", "c"]
    assert errors["b"].sqlstate == "23505"


def test_a_constraint_that_is_put_off_until_the_commit_tells_its_culprit(opened, passing):
    table = opened(
        "CREATE TABLE parents (n int PRIMARY KEY); INSERT INTO parents VALUES (1);"
        "CREATE TABLE things (id text PRIMARY KEY, n int,"
        " CONSTRAINT parent FOREIGN KEY (n) REFERENCES parents DEFERRABLE INITIALLY DEFERRED)"
    )
    errors = passing(table, {"a": 1, "b": 7, "c": 1, "d": 8})
    assert [key for key, error in errors.items() if error is None] == ["a", "c"]
    assert {type(errors[key]) for key in ("b", "d")} == {RefusedForNow}
    assert keys(table) == ["a", "c"]


def test_who_has_to_wait_for_a_lock_ends_the_pass(opened, passing):
    table = opened(THINGS)
    passing(table, {"c": 1})
    target = another(table, lock_timeout_s=0.1)
    with psycopg.connect(table.dsn) as other:
        other.execute("SELECT FROM things WHERE id = 'c' FOR UPDATE")
        errors = passing(table, {"a": 1, "c": 2, "e": 1}, target=target, kind="increment")
    target.close()
    assert {key: type(error) for key, error in errors.items()} == {"a": type(None), "c": TargetBusy}
    assert keys(table) == ["a", "c"]


def test_who_is_slow_ends_the_pass(opened, passing):
    table = opened(THINGS)
    execute(
        table.dsn,
        # Its statement is ended as by its timeout, and never because the machine is slow.
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(600) WHERE new.id = 'b';"
        " RETURN new; END$$",
        "CREATE TRIGGER dawdle BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    errors = passing(table, {"a": 1, "b": 1, "c": 1})
    assert {key: type(error) for key, error in errors.items()} == {"a": type(None), "b": TooSlow}
    assert keys(table) == ["a"]


def test_a_connection_that_is_lost_answers_nothing_and_leaves_nothing(opened, passing):
    table = opened(THINGS)
    execute(
        table.dsn,
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN PERFORM pg_sleep(600) WHERE new.id = 'b'; RETURN new; END$$",
        "CREATE TRIGGER dawdle BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION dawdle()",
    )
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'syncpipe test' AND wait_event = 'PgSleep'"
    )

    def cut():
        with psycopg.connect(table.dsn, autocommit=True) as other:
            eventually(lambda: other.execute(query).fetchall())

    cutting = threading.Thread(target=cut)
    cutting.start()
    with pytest.raises(TargetUnavailable):
        passing(table, {"a": 1, "b": 1, "c": 1})
    cutting.join()
    assert keys(table) == []
    assert set(passing(table, {"a": 1, "c": 1}).values()) == {None}


def test_documents_are_answered_for_themselves_too(module_dsn, at):
    keys = ["a", "b", "c", "d"]
    values = {"a": 1, "b": "no\0text", "c": 2, "d": 3}
    batch = [operation("upsert", key, at, {"v": values[key]}) for key in keys]
    with document_place(module_dsn) as place:
        answers = place.target.apply_each(groups(place.collection, batch), now_ms=NOW_MS)
        errors = {answer.group.key: answer.error for answer in answers}
        assert [key for key in keys if errors[key] is None] == ["a", "c", "d"]
        assert errors["b"].sqlstate == "22P05"
        assert [key for key, row in place.rows(keys).items() if row] == ["a", "c", "d"]
