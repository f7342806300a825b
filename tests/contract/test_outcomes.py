"""What every memory of replayed operations promises, whatever keeps it."""

from __future__ import annotations

import itertools
import uuid
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncpipe.core.audit import Act
from syncpipe.core.filtering import ALL
from syncpipe.core.outcome import Outcome
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.replays import GOOD, Order, Report
from syncpipe.testing.replays import MemoryOutcomes
from tests.contract.test_deadletters import dead

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.store.replays import Outcomes

FINAL = [each for each in Outcome if each is not Outcome.RETRYING]


@dataclass
class Kept:
    """Outcomes, how to have something replayed, and what was noted of it."""

    outcomes: Outcomes
    taken: Callable[[int], tuple[str, list[str]]]
    noted: Callable[[str], list[tuple[str, str | None] | None]]


@pytest.fixture(params=[None, "postgres"], ids=["memory", "pg18"])
def kept(request):
    if request.param is None:
        yield _in_memory()
        return
    server = request.getfixturevalue(request.param)
    dsn = server.new_database()
    with closing(PostgresStore(StoreOptions(dsn), bytes(32))) as store:
        store.migrate()
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield _in_postgres(store, connection)
    server.drop_database(dsn)


def _in_memory():
    outcomes = MemoryOutcomes()

    def taken(number):
        replay, letters = str(uuid.uuid4()), [str(uuid.uuid4()) for _ in range(number)]
        outcomes.expect(replay, letters)
        return replay, letters

    def noted(replay):
        found = outcomes.found(replay).values()
        return [report and (report.outcome.value, report.code) for report in found]

    return Kept(outcomes, taken, noted)


def _in_postgres(store, connection):
    numbers = itertools.count()

    def taken(number):
        connection.execute("UPDATE syncpipe.dead_letters SET state = 'resolved'")
        store.dead_letters.record([dead(next(numbers)) for _ in range(number)])
        replay = store.replays.create(Order(ALL), Act("ann", "dlq.replay", ""))
        query = "SELECT letter::text FROM syncpipe.replay_items WHERE replay = %s ORDER BY number"
        return replay.id, [letter for (letter,) in connection.execute(query, [replay.id])]

    def noted(replay):
        query = "SELECT outcome, code FROM syncpipe.replay_items WHERE replay = %s ORDER BY number"
        return [row if row[0] else None for row in connection.execute(query, [replay])]

    return Kept(store.outcomes, taken, noted)


def test_what_is_told_is_noted(kept):
    replay, letters = kept.taken(3)
    kept.outcomes.report([])
    kept.outcomes.report(
        [
            Report(replay, letters[0], Outcome.APPLIED),
            Report(replay, letters[2], Outcome.DEAD, "SP-E511"),
        ]
    )
    assert kept.noted(replay) == [("applied", None), None, ("dead", "SP-E511")]


def test_what_is_of_no_known_replay_is_left_out(kept):
    replay, letters = kept.taken(1)
    kept.outcomes.report(
        [
            Report(str(uuid.uuid4()), letters[0], Outcome.APPLIED),
            Report(replay, str(uuid.uuid4()), Outcome.APPLIED),
        ]
    )
    assert kept.noted(replay) == [None]


@given(
    told=st.lists(st.lists(st.sampled_from(FINAL), min_size=1, max_size=3), min_size=1, max_size=4)
)
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_the_first_stays_unless_a_good_one_comes(kept, told):
    replay, (letter,) = kept.taken(1)
    for part in told:
        kept.outcomes.report([Report(replay, letter, outcome) for outcome in part])
    everything = [outcome for part in told for outcome in part]
    good = [outcome for outcome in everything if outcome in GOOD]
    ((word, _),) = kept.noted(replay)
    if not good:
        assert word in {outcome.value for outcome in told[0]}
    else:
        first = next(part for part in told if GOOD.intersection(part))
        assert word in {outcome.value for outcome in GOOD.intersection(first)}
