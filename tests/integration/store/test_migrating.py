"""Migrations of the store: in order, once, one caller at a time, and what other releases see."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from syncpipe.errors import StoreOutdated, StoreUnavailable
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres import migrating
from syncpipe.store.postgres.migrating import Step, steps
from syncpipe.store.postgres.store import PostgresStore

FIRST = Step("0001_pre_first", "CREATE TABLE {schema}.first (n int)")
SECOND = Step("0002_post_second", "ALTER TABLE {schema}.first RENAME TO second")
THIRD = Step("0003_pre_third", "CREATE TABLE {schema}.third (n int)")


@pytest.fixture
def connection(every_dsn):
    with psycopg.connect(every_dsn, autocommit=True) as opened:
        yield opened


def migrate(connection, *known, post=False, schema="syncpipe"):
    """Run what of *known* is missing; return the names of what was run."""
    done = migrating.migrate(connection, schema, post=post, lock_timeout_ms=5_000, known=known)
    return [each.name for each in done if each.ran]


def tables(connection, schema="syncpipe"):
    found = connection.execute(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = %s", [schema]
    )
    return {name for (name,) in found} - {"migrations"}


def test_migrations_are_numbered_without_gaps():
    assert [step.number for step in steps()] == list(range(1, len(steps()) + 1))


def test_the_first_run_makes_everything_and_the_second_nothing(store):
    first, second = store.migrate(), store.migrate()

    assert [each.name for each in first] == [step.name for step in steps()]
    assert all(each.ran for each in first)
    assert not any(each.ran for each in second)
    store.check()


def test_several_at_once_run_each_migration_once(every_dsn):
    def run(_):
        with closing(PostgresStore(StoreOptions(every_dsn))) as store:
            return store.migrate()

    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(run, range(4)))

    assert sum(each.ran for done in runs for each in done) == len(steps())


def test_a_store_without_tables_is_outdated_and_says_what_to_do(store):
    with pytest.raises(StoreOutdated, match="syncpipe migrate"):
        store.check()


def test_what_comes_after_is_run_when_it_is_asked_for(connection):
    assert migrate(connection, FIRST, SECOND) == ["0001_pre_first"]
    migrating.require(connection, "syncpipe", (FIRST, SECOND))

    assert migrate(connection, FIRST, SECOND, post=True) == ["0002_post_second"]
    assert tables(connection) == {"second"}


def test_what_comes_after_is_run_before_the_next_that_prepares(connection):
    migrate(connection, FIRST, SECOND)

    assert migrate(connection, FIRST, SECOND, THIRD) == ["0002_post_second", "0003_pre_third"]
    assert tables(connection) == {"second", "third"}


def test_a_release_works_on_while_the_next_one_is_prepared(connection):
    migrate(connection, FIRST)
    migrate(connection, FIRST, THIRD)

    migrating.require(connection, "syncpipe", (FIRST,))


def test_a_release_refuses_tables_from_which_a_later_one_has_taken(connection):
    migrate(connection, FIRST, SECOND, post=True)

    with pytest.raises(StoreOutdated, match="0002 is not known here"):
        migrating.require(connection, "syncpipe", (FIRST,))
    with pytest.raises(StoreOutdated, match="0002 is not known here"):
        migrate(connection, FIRST)


def test_a_release_refuses_tables_that_lack_a_migration(connection):
    migrate(connection, FIRST)

    with pytest.raises(StoreOutdated, match="lacks 0003_pre_third"):
        migrating.require(connection, "syncpipe", (FIRST, THIRD))


def test_all_or_nothing(connection):
    broken = Step("0002_pre_broken", "CREATE TABLE {schema}.broken (n nonsense)")

    with pytest.raises(psycopg.errors.UndefinedObject):
        migrate(connection, FIRST, broken)

    assert tables(connection) == set()
    assert migrate(connection, FIRST) == ["0001_pre_first"]


def test_any_schema_will_do(connection):
    assert migrate(connection, FIRST, schema='of "theirs"') == ["0001_pre_first"]
    assert tables(connection, 'of "theirs"') == {"first"}


def test_a_schema_that_is_there_takes_no_right_to_make_one(connection, every_dsn):
    database = psycopg.conninfo.conninfo_to_dict(every_dsn)["dbname"]
    role = f"keeper_of_{database}"
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    connection.execute(sql.SQL("CREATE SCHEMA AUTHORIZATION {}").format(sql.Identifier(role)))
    try:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        assert migrate(connection, FIRST, schema=role) == ["0001_pre_first"]
    finally:
        connection.execute("RESET ROLE")
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_what_others_hold_is_not_waited_for_without_end(connection, every_dsn):
    migrate(connection, FIRST)
    change = Step("0003_pre_change", "ALTER TABLE {schema}.first ADD COLUMN m int")
    with psycopg.connect(every_dsn) as other:
        other.execute("SELECT * FROM syncpipe.first")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrating.migrate(
                connection, "syncpipe", post=False, lock_timeout_ms=50, known=(FIRST, change)
            )

    assert migrate(connection, FIRST, change) == ["0003_pre_change"]


@pytest.mark.parametrize("dsn", ["host=/nowhere dbname=x", "host=/tmp port=1 dbname=x"])
def test_a_store_that_is_away_says_so(dsn):
    with closing(PostgresStore(StoreOptions(dsn, connect_timeout_s=0.2))) as store:
        for ask in (store.check, store.migrate):
            with pytest.raises(StoreUnavailable, match="does not answer"):
                ask()


def test_a_store_that_is_back_is_used_again(every_dsn, store):
    store.migrate()
    with psycopg.connect(every_dsn, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND application_name = 'syncpipe store'"
            " AND datname = current_database()"
        )
    with pytest.raises(StoreUnavailable):
        store.check()
    store.check()
