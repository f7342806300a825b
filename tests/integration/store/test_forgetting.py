"""Dead letters that were put away long ago are deleted, and nothing else is."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from syncpipe.core.audit import Act
from syncpipe.core.filtering import ALL
from syncpipe.errors import AuditKeyMissing
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from tests.contract.test_deadletters import dead

KEY = bytes(range(32))
ACT = Act("w1@h", "dlq.purge", "state:discarded", "It is a test.")
DAY_S = 86400.0
OLD = ("discarded", "resolved", "edited")


@pytest.fixture
def store(store, every_dsn):
    """A store with letters in each state since 31 days and since 29 days."""
    store.migrate()
    states = ["open", "replaying", *OLD]
    store.dead_letters.record([dead(number) for number in range(2 * len(states))])
    with psycopg.connect(every_dsn) as connection:
        for number in range(2 * len(states)):
            days = 31 if number < len(states) else 29
            connection.execute(
                "UPDATE syncpipe.dead_letters SET state = %s, changed = now() - %s * interval "
                "'1 day' WHERE key = %s",
                [states[number % len(states)], days, f"k{number}"],
            )
    with closing(PostgresStore(StoreOptions(every_dsn), KEY)) as opened:
        yield opened


def test_what_was_put_away_long_ago_is_deleted_in_parts(store):
    forgotten = [store.triage.forget(ACT, keep_s=30 * DAY_S, limit=2) for _ in range(3)]

    assert forgotten == [2, 1, 0]
    assert store.triage.stats().by_state == {"open": 2, "replaying": 2} | dict.fromkeys(OLD, 1)
    assert [record.act.details["number"] for record in store.audit.records()] == [2, 1]
    assert {record.act.actor for record in store.audit.records()} == {"w1@h"}


def test_without_a_key_nothing_is_deleted(store, every_dsn):
    keyless = PostgresStore(StoreOptions(every_dsn))
    with closing(keyless), pytest.raises(AuditKeyMissing):
        keyless.triage.forget(ACT, keep_s=DAY_S, limit=10)
    assert store.triage.count(ALL) == 10
