"""What stands in the table of dead letters, for whoever asks it with SQL; and who is waited for."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal

import psycopg
import pytest

from syncpipe.errors import StoreOutdated, StoreUnavailable
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from tests.contract.test_deadletters import dead, unreadable


@pytest.fixture
def letters(store):
    store.migrate()
    return store.dead_letters


def ask(dsn, query):
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def test_what_the_bytes_say_can_be_asked_for(letters, every_dsn):
    data = {
        "name": "Ann",
        "total": Decimal("12.50"),
        "lines": [{"n": 1}],
        "blob": b"\x01",
        "~": "~",
    }
    letters.record([dead(1, data=data), unreadable()])

    rows = ask(
        every_dsn,
        "SELECT decoded ->> 'kind', decoded -> 'data', state, raw"
        " FROM syncpipe.dead_letters ORDER BY decoded NULLS LAST",
    )

    stored = {"name": "Ann", "total": "~f12.50", "lines": [{"n": 1}], "blob": "~bAQ==", "~": "~~"}
    assert rows == [
        ("upsert", stored, "open", dead(1, data=data).raw),
        (None, None, "open", b"garbage"),
    ]


def test_what_a_column_cannot_hold_is_in_the_bytes(letters, every_dsn):
    strange = dead(1, data={"a": "\0"}, message="a\0b", worker="w\0")

    letters.record([strange])

    query = "SELECT message, worker, decoded, raw FROM syncpipe.dead_letters"
    assert ask(every_dsn, query) == [("a\ufffdb", "w\ufffd", None, strange.raw)]


def test_who_writes_is_waited_for_before_the_keys_are_named(every_dsn):
    options = StoreOptions(every_dsn, lock_timeout_s=0.2)
    with closing(PostgresStore(options)) as store, psycopg.connect(every_dsn) as writer:
        store.migrate()
        writer.execute("LOCK TABLE syncpipe.dead_letters IN ROW EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match="55P03"):
            store.dead_letters.open_keys("crm")
        assert store.dead_letters.count() == 0
        writer.rollback()
        assert store.dead_letters.open_keys("crm") == {}


def test_a_store_whose_tables_go_is_outdated_until_they_are_back(letters, every_dsn):
    letters.record([dead(1)])
    with psycopg.connect(every_dsn, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA syncpipe RENAME TO away")
        for use in (letters.count, lambda: letters.record([dead(2)])):
            with pytest.raises(StoreOutdated, match="syncpipe migrate"):
                use()
        connection.execute("ALTER SCHEMA away RENAME TO syncpipe")
    letters.record([dead(2)])
    assert letters.count() == 2


def test_lists_use_the_index(letters, every_dsn):
    letters.record([dead(number) for number in range(500)])
    with psycopg.connect(every_dsn, autocommit=True) as connection:
        connection.execute("ANALYZE syncpipe.dead_letters")
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT id FROM syncpipe.dead_letters ORDER BY last_seen DESC, id DESC LIMIT 10"
        ).fetchall()
    assert "dead_letters_age" in str(plan)
