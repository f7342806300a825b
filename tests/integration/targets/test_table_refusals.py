"""What a user's table refuses, for good or for now, and what breaks midway."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncpipe.core.masking import wording
from syncpipe.core.operation import KINDS, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.errors import RefusedForNow, TargetMisconfigured
from tests.integration.targets.places import NOW_MS, YOUNG, execute, groups
from tests.integration.targets.user_tables import refused


@pytest.mark.parametrize(
    ("type_", "amount"),
    [
        ("double precision", 1),
        ("real", 1),
        ("text", 1),
        ("boolean", 1),
        ("date", 1),
        ("int", Decimal("0.5")),
        ("numeric(9,2)", Decimal("0.125")),
    ],
)
def test_increments_that_would_not_be_exact_are_refused(opened, type_, amount):
    table = opened(f"CREATE TABLE things (id text PRIMARY KEY, n {type_})")
    result = table.apply("increment", "a", {"n": amount})

    assert result.outcome is Outcome.DEAD
    assert "'n'" in str(result.error)


@pytest.mark.parametrize(
    ("type_", "limit"),
    [("smallint", 2**15 - 1), ("int", 2**31 - 1), ("bigint", 2**63 - 1), ("numeric(3)", 999)],
)
def test_an_increment_over_the_limit_of_its_column_is_refused(opened, type_, limit, at):
    table = opened(f"CREATE TABLE things (id text PRIMARY KEY, n {type_})")
    table.apply("upsert", "a", {"n": limit}, at=at)
    with refused(table, "increment", "a", {"n": 1}, at=at) as error:
        assert error.sqlstate == "22003"
    assert table.row("SELECT n FROM things") == (limit,)
    table.apply("increment", "a", {"n": -1}, at=at)
    assert table.row("SELECT n FROM things") == (limit - 1,)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("int", "x"),
        ("int", 1.5),
        ("int", [1]),
        ("int", {"a": 1}),
        ("varchar(2)", "abc"),
        ("mood", "sad"),
        ("timestamptz", "never"),
        ("uuid", "x"),
        ("int[]", "x"),
        ("int[]", 5),
        ("int[]", [1, [2]]),
        ("boolean", "perhaps"),
        ("numeric(2)", 1000),
        ("bytea", "\\x0"),
        ("date", True),
        ("time", {}),
        ("inet", "x"),
        ("point", "1"),
        ("int4range", "x"),
        ("bit(2)", "111"),
        ("interval", "x"),
        ("real", 1e308),
        ("jsonpath", "!"),
        ("tsvector", "':"),
        ("pair", 5),
        ("pair", {"a": "x"}),
        ("positive", -1),
        ("smallint", 2**80),
    ],
)
def test_a_value_that_does_not_fit_is_one_bad_operation(opened, column, value, at):
    table = opened(
        "CREATE TYPE mood AS ENUM ('glad'); CREATE TYPE pair AS (a int, b int);"
        "CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        f"CREATE TABLE things (id text PRIMARY KEY, n {column})"
    )
    with refused(table, "upsert", "a", {"n": value}, at=at):
        assert table.row("SELECT count(*) FROM things") == (0,)
    assert table.apply("upsert", "a", {"n": None}, at=at).outcome is Outcome.APPLIED


def test_constraints_refuse_for_good_or_for_now(opened, at):
    table = opened(
        "CREATE TABLE parents (id int PRIMARY KEY);"
        "CREATE TABLE things (id text PRIMARY KEY, n int CONSTRAINT small CHECK (n < 10),"
        " name text NOT NULL, code int CONSTRAINT single UNIQUE, parent int REFERENCES parents)"
    )
    full = {"name": "x", "code": 1}
    table.apply("upsert", "a", full, at=at)
    with refused(table, "upsert", "b", {**full, "n": 10, "code": 2}, at=at) as error:
        assert (error.sqlstate, error.constraint) == ("23514", "small")
    with refused(table, "upsert", "b", full, at=at) as error:
        assert (error.sqlstate, error.constraint) == ("23505", "single")
    with refused(table, "patch", "b", {"code": 3}, error=RefusedForNow, at=at) as error:
        assert error.sqlstate == "23502"
    with refused(table, "patch", "a", {"parent": 5}, error=RefusedForNow, at=at) as error:
        assert error.sqlstate == "23503"

    execute(table.dsn, "INSERT INTO parents VALUES (5)")
    table.apply("patch", "a", {"parent": 5}, at=at)
    assert table.row("SELECT parent FROM things") == (5,)


def test_what_a_trigger_says_is_told_from_what_postgresql_says(opened, at):
    table = opened("CREATE TABLE things (id text PRIMARY KEY, name text)")
    execute(
        table.dsn,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION '% is on the list', new.name USING ERRCODE = 'check_violation'; END $$",
    )
    execute(
        table.dsn,
        "CREATE TRIGGER refuse BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    with refused(table, "upsert", "a", {"name": "canary"}, at=at) as error:
        assert error.sqlstate == "23514"
        assert "canary" in error.message
        assert not wording(error.message, sqlstate=error.sqlstate, status=None)


def test_a_refused_batch_leaves_neither_row_nor_memory(opened, at):
    table = opened("CREATE TABLE things (id text PRIMARY KEY, n int CHECK (n < 10))")
    with refused(table, "upsert", "a", {"n": 10}, at=at), refused(table, "patch", "a", {"n": 11}):
        pass
    assert table.row("SELECT count(*) FROM syncpipe.records WHERE version > 0") == (0,)
    table.apply("upsert", "a", {"n": 1}, at=at)
    assert table.row("SELECT n FROM things") == (1,)


def test_a_patch_waits_for_the_upsert_that_brings_its_not_null_columns(opened):
    table = opened("CREATE TABLE things (id text PRIMARY KEY, name text NOT NULL, n int)")
    upsert = Operation(b"u" * 16, KINDS["upsert"], "things", "a", YOUNG, {"name": "x", "n": 1})
    patch = Operation(b"p" * 16, KINDS["patch"], "things", "a", YOUNG + 1, {"n": 2})
    with pytest.raises(RefusedForNow):
        table.target.apply(groups(table.collection, [patch]), now_ms=NOW_MS)
    for change in (upsert, patch):
        table.target.apply(groups(table.collection, [change]), now_ms=NOW_MS)

    assert table.row("SELECT name, n FROM things") == ("x", 2)


def test_what_is_broken_midway_is_a_misconfiguration_until_it_is_mended(opened, at):
    table = opened("CREATE TABLE things (id text PRIMARY KEY, n int)", fields=("n",))
    for _ in range(7):  # often enough that the driver prepares the statements
        table.apply("upsert", "a", {"n": 1}, at=at)
    for breaks, mends in (
        ("ALTER TABLE things DROP COLUMN n", "ALTER TABLE things ADD COLUMN n int"),
        ("ALTER TABLE things RENAME TO away", "ALTER TABLE away RENAME TO things"),
        (
            "ALTER TABLE syncpipe.records RENAME TO away",
            "ALTER TABLE syncpipe.away RENAME TO records",
        ),
    ):
        execute(table.dsn, breaks)
        for _ in range(2):
            with refused(table, "upsert", "a", {"n": 2}, error=TargetMisconfigured, at=at):
                pass
        execute(table.dsn, mends)
        assert table.apply("upsert", "a", {"n": 3}, at=at).outcome is Outcome.APPLIED
    assert table.row("SELECT n FROM things") == (3,)


def test_a_column_that_changes_its_type_midway_is_followed(opened, at):
    table = opened("CREATE TABLE things (id text PRIMARY KEY, n int)")
    for _ in range(7):
        table.apply("upsert", "a", {"n": 1}, at=at)
        table.apply("increment", "a", {"n": 1}, at=at)
    execute(table.dsn, "ALTER TABLE things ALTER n TYPE bigint, ADD m int")
    table.apply("increment", "a", {"n": 2**40}, at=at)

    assert table.row("SELECT n FROM things") == (2**40 + 2,)
