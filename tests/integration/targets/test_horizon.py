"""What is too old to be needed is forgotten, and what then cannot be judged is never guessed."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from syncpipe.core.collection import VersionSource
from syncpipe.core.outcome import Outcome
from syncpipe.core.version import at_milliseconds
from syncpipe.errors import TooLate
from syncpipe.targets.postgres import horizon
from tests.integration.targets.gates import GatedWorker
from tests.integration.targets.places import PLACES, execute, new_key, operation

HORIZON_S = 3600
MEMORY = {"document": "documents", "table": "records"}


@pytest.fixture(params=PLACES)
def mode(request):
    return request.param


@pytest.fixture
def place(mode, dsn):
    with PLACES[mode](dsn, horizon_s=HORIZON_S) as place:
        yield place


@pytest.fixture
def now_ms(place):
    return place.target.now_ms()


@pytest.fixture
def past(now_ms):
    """Versions older than the horizon; the first is the oldest."""
    return at_milliseconds(now_ms - 2 * HORIZON_S * 1000)


@pytest.fixture
def recent(now_ms):
    """Versions younger than the horizon."""
    return at_milliseconds(now_ms - HORIZON_S * 900)


@pytest.fixture
def key():
    return new_key()


def test_tombstones_and_ledger_go_and_the_floor_rises(place, mode, past, recent, key):
    living, counted, fresh = new_key(), new_key(), new_key()
    place.apply(operation("upsert", living, past, {"a": 1}))
    place.apply(operation("delete", key, past))
    place.apply(operation("increment", counted, past, {"a": 1}))
    place.apply(
        operation("delete", fresh, recent), operation("increment", fresh, recent + 1, {"a": 1})
    )

    collected = place.target.collect(place.collection)

    assert (collected.tombstones, collected.increments) == (1, 1)
    assert past < collected.floor < recent
    assert _floor(place) == collected.floor
    assert _remembered(place, mode) == {living, counted, fresh}
    assert place.rows([living, counted, fresh]) == {
        living: place.meant({"a": 1}),
        counted: place.meant({"a": 1}),
        fresh: place.meant({"a": 1}),
    }


@pytest.mark.parametrize("kind", ["upsert", "patch", "delete", "increment"])
def test_what_can_no_longer_be_judged_is_too_late(place, past, key, kind):
    place.apply(operation("delete", key, past + 5))
    place.target.collect(place.collection)
    late = operation(kind, key, past, None if kind == "delete" else {"a": 1})

    (result,) = place.apply(late)

    assert result.outcome is Outcome.TOO_LATE
    assert isinstance(result.error, TooLate)
    assert late.uuid in str(result.error)
    assert place.rows([key]) == {key: None}


def test_what_a_remembered_write_covers_is_still_judged(place, past, key):
    newest = operation("upsert", key, past + 5, {"a": 1})
    place.apply(newest)
    place.target.collect(place.collection)

    assert place.outcomes(newest) == [Outcome.DUPLICATE]
    assert place.outcomes(operation("increment", key, past, {"a": 1})) == [Outcome.SUPERSEDED]


def test_an_increment_that_was_counted_and_forgotten_is_not_counted_again(place, past, key):
    increment = operation("increment", key, past, {"a": 1})
    place.apply(increment)
    place.target.collect(place.collection)

    assert place.outcomes(increment) == [Outcome.TOO_LATE]
    assert place.rows([key]) == {key: place.meant({"a": 1})}


def test_young_operations_work_on_what_was_forgotten(place, past, recent, key, now_ms):
    place.apply(operation("delete", key, past))
    place.target.collect(place.collection)
    patch = operation("patch", key, at_milliseconds(now_ms), {"a": 1})
    late = operation("upsert", key, recent, {"a": 0, "c": "late"})

    assert place.outcomes(patch, now_ms=now_ms) == [Outcome.APPLIED]
    assert place.outcomes(late) == [Outcome.APPLIED]
    assert place.rows([key]) == {key: place.meant({"a": 1, "c": "late"})}


def test_kept_keys_are_judged_until_they_are_released(place, mode, past, key):
    counted = new_key()
    place.apply(operation("delete", key, past + 5))
    increment = operation("increment", counted, past, {"a": 1})
    place.apply(increment)
    place.target.collect(place.collection, keep=[key, counted])
    assert place.outcomes(operation("upsert", key, past, {"a": 1})) == [Outcome.SUPERSEDED]
    assert place.outcomes(increment) == [Outcome.DUPLICATE]
    assert place.outcomes(operation("increment", counted, past + 1, {"a": 4})) == [Outcome.APPLIED]

    collected = place.target.collect(place.collection)

    assert (collected.tombstones, collected.increments) == (1, 2)
    assert place.outcomes(operation("upsert", key, past, {"a": 1})) == [Outcome.TOO_LATE]
    assert place.outcomes(increment) == [Outcome.TOO_LATE]
    assert place.rows([key, counted]) == {key: None, counted: place.meant({"a": 5})}
    assert place.target.collect(place.collection).tombstones == 1  # the try left an empty memory
    assert _remembered(place, mode) == {counted}


def test_keeping_a_key_that_nobody_has_written_lets_its_replay_in(place, past, key):
    place.target.collect(place.collection, keep=[key])

    assert place.outcomes(operation("upsert", key, past, {"a": 1})) == [Outcome.APPLIED]
    assert place.rows([key]) == {key: place.meant({"a": 1})}


def test_collections_with_versions_of_the_source_keep_everything(mode, dsn):
    with PLACES[mode](dsn, horizon_s=1, version=VersionSource.SOURCE) as place:
        place.apply(operation("delete", "k", 5))

        assert place.target.collect(place.collection) == horizon.Collected()
        assert place.outcomes(operation("upsert", "k", 4, {"a": 1})) == [Outcome.SUPERSEDED]


def test_many_are_collected_in_steps_that_end(place, past, monkeypatch):
    monkeypatch.setattr(horizon, "_STEP", 10)
    keys = [new_key() for _ in range(75)]
    place.apply(*(operation("delete", key, past + n // 3) for n, key in enumerate(keys)))
    place.apply(*(operation("increment", new_key(), past + n, {"a": 1}) for n in range(45)))

    collected = place.target.collect(place.collection, keep=keys[:20])

    assert (collected.tombstones, collected.increments) == (55, 45)
    assert place.target.collect(place.collection, keep=keys[:20]).tombstones == 0
    assert place.target.collect(place.collection).tombstones == 20


def test_two_collectors_at_once_collect_everything_once(place, past):
    place.apply(*(operation("delete", new_key(), past + n) for n in range(200)))
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda _: place.target.collect(place.collection), range(2)))

    assert sum(collected.tombstones for collected in both) == 200


def test_a_lengthened_horizon_does_not_lower_the_floor(place, dsn, past):
    place.apply(operation("delete", new_key(), past))
    floor = place.target.collect(place.collection).floor
    execute(dsn, "UPDATE syncpipe.collections SET floor = floor + 1000000000000")

    assert place.target.collect(place.collection).floor == floor + 1_000_000_000_000


def test_a_collector_waits_for_a_worker_at_every_boundary(place, past):
    """A worker that is judging below the coming floor has read a floor that may not rise yet."""
    worker = GatedWorker(place)
    with psycopg.connect(place.dsn, autocommit=True) as monitor, ThreadPoolExecutor(1) as thread:
        for stop_at in range(20):
            key = new_key()
            place.apply(operation("delete", key, past + 5))
            late = operation("upsert", key, past, {"a": 1})
            worker.start(lambda target, late=late: place.apply(late, by=target), stop_at)
            stopped = worker.settle(monitor)
            collecting = thread.submit(place.target.collect, place.collection)
            _until(lambda done=collecting: done.done() or _somebody_waits(monitor))
            (result,) = worker.finish()
            collecting.result()
            assert result.outcome in {Outcome.SUPERSEDED, Outcome.TOO_LATE}
            assert place.rows([key]) == {key: None}
            execute(place.dsn, "TRUNCATE syncpipe.collections")  # as before the first collection
            if not stopped:
                break
    worker.close()


def test_collecting_beside_two_workers_brings_nothing_back(place, past, now_ms):
    keys = [new_key() for _ in range(20)]
    deletes = [operation("delete", key, past + 5) for key in keys]
    ghosts = [operation("upsert", key, past, {"a": 1}) for key in keys]
    young = [operation("patch", key, at_milliseconds(now_ms), {"c": "alive"}) for key in keys[10:]]
    place.apply(*deletes)
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            place.target.collect(place.collection)

    with ThreadPoolExecutor(3) as threads:
        collecting = threads.submit(collect)
        late = threads.submit(lambda: [place.outcomes(*ghosts) for _ in range(30)])
        place.apply(*young, now_ms=now_ms)
        outcomes = {outcome for batch in late.result() for outcome in batch}
        stop.set()
        collecting.result()

    assert outcomes <= {Outcome.SUPERSEDED, Outcome.TOO_LATE}
    alive = dict.fromkeys(keys[10:], place.meant({"c": "alive"}))
    assert place.rows(keys) == dict.fromkeys(keys[:10]) | alive


def _floor(place) -> int:
    return _one(place, "SELECT floor FROM syncpipe.collections")


def _remembered(place, mode) -> set[str]:
    with psycopg.connect(place.dsn) as connection:
        query = sql.SQL("SELECT key FROM {}").format(sql.Identifier("syncpipe", MEMORY[mode]))
        return {key for (key,) in connection.execute(query)}


def _one(place, query):
    with psycopg.connect(place.dsn) as connection:
        return connection.execute(query).fetchone()[0]


def _somebody_waits(monitor) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return monitor.execute(query).fetchone() != (0,)


def _until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
