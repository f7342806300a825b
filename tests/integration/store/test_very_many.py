"""What becomes of questions and acts about very many dead letters."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from syncpipe.core.audit import Act
from syncpipe.core.filter_language import parse
from syncpipe.core.filtering import ALL
from syncpipe.deadletters.outlook import pages
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres import triage as module
from syncpipe.store.postgres.store import PostgresStore
from tests.contract.test_deadletters import NOW, dead
from tests.stores import emptied

KEY = bytes(range(32))
ACT = Act("ann@h", "dlq.discard", "state:open", "It is a test.")


@pytest.fixture(scope="module")
def opened(every_postgres):
    """A store that the tests share, on each release."""
    dsn = every_postgres.new_database()
    with closing(PostgresStore(StoreOptions(dsn), KEY)) as store:
        store.migrate()
        with psycopg.connect(dsn) as superuser:
            superuser.execute("ALTER TABLE syncpipe.dead_letters SET (autovacuum_enabled = off)")
        yield store
    every_postgres.drop_database(dsn)


@pytest.fixture
def store(opened):
    """The same, empty."""
    emptied(opened._options.dsn)
    return opened


@pytest.fixture
def superuser(opened):
    with psycopg.connect(opened._options.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def plans(monkeypatch):
    """How PostgreSQL carries out what asks for dead letters, by the statement's own plan."""
    found = []
    run = module.run

    def explained(connection, query, arguments=None):
        lines = connection.execute(sql.SQL("EXPLAIN ") + query, arguments, prepare=False)
        found.append("\n".join(line for (line,) in lines))
        return run(connection, query, arguments)

    monkeypatch.setattr(module, "run", explained)
    return found


def test_pages_go_along_the_index_whatever_statistics_say(store, superuser, plans):
    everything = [dead(number, died_ms=NOW + number // 7) for number in range(1_000)]
    store.dead_letters.record(everything)
    filter_ = parse("state:open target:crm", now_ms=NOW)
    for analyzed in (False, True):
        if analyzed:
            superuser.execute("ANALYZE syncpipe.dead_letters")
        plans.clear()
        found = [kept.id for page in pages(store.triage, filter_) for kept in page]
        behind = [plan for plan in plans[1:] if "Limit" in plan]

        assert len(found) == len(set(found)) == len(everything)
        assert len(behind) == 5
        assert all("Sort" not in plan for plan in behind)
        assert all("dead_letters_age" in plan for plan in behind)


def test_an_act_about_very_many_has_the_time_that_it_takes(store, superuser):
    store.dead_letters.record([dead(number) for number in range(3)])
    superuser.execute(
        "CREATE TABLE syncpipe.seen (act text, timeout text);"
        "CREATE FUNCTION syncpipe.see() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " INSERT INTO syncpipe.seen VALUES (TG_OP, current_setting('statement_timeout'));"
        " RETURN NULL; END$$;"
        "CREATE TRIGGER see AFTER UPDATE OR DELETE ON syncpipe.dead_letters"
        " EXECUTE FUNCTION syncpipe.see()"
    )
    try:
        store.triage.discard(ALL, ACT)
        store.triage.restore(ALL, ACT)
        store.triage.discard(ALL, ACT)
        store.triage.purge(ACT, filter_=ALL, before_ms=2**50)
        seen = superuser.execute("SELECT act, timeout FROM syncpipe.seen").fetchall()
    finally:
        superuser.execute("DROP FUNCTION syncpipe.see() CASCADE; DROP TABLE syncpipe.seen")
    assert seen == [*[("UPDATE", "10min")] * 3, ("DELETE", "10min")]
    with store._connections.current() as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
