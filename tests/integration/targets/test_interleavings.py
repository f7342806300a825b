"""Two workers on one record, stopped at every boundary between statements, in every schedule."""

from __future__ import annotations

import itertools

import psycopg
import pytest

from tests.integration.targets.gates import GatedWorker
from tests.integration.targets.places import OLD, PLACES, YOUNG, new_key, operation

KINDS = ("upsert", "patch", "delete", "increment")
#: More boundaries than any way through a target has.
MANY = 20


@pytest.fixture(scope="module", params=PLACES)
def bench(request, postgres):
    """A place, two gated workers on it, and a connection that watches them."""
    dsn = postgres.new_database()
    with PLACES[request.param](dsn) as place, psycopg.connect(dsn, autocommit=True) as monitor:
        place.apply(operation("upsert", new_key(), OLD, {}))  # reads the columns of the table
        workers = GatedWorker(place), GatedWorker(place)
        for worker in workers:
            _act(worker, place, [operation("increment", new_key(), OLD, {"a": 1})])
        yield place, workers, monitor
        for worker in workers:
            worker.close()
    postgres.drop_database(dsn)


@pytest.mark.parametrize(("first", "second"), [*itertools.product(KINDS, KINDS)])
@pytest.mark.parametrize(
    ("start", "in_order"),
    [("absent", True), ("old", True), ("old", False), ("counted", False)],
    ids=["absent-in_order", "old-in_order", "old-out_of_order", "counted-out_of_order"],
)
def test_every_schedule_of_two_operations_ends_alike(bench, first, second, start, in_order):
    versions = (YOUNG + 1, YOUNG + 2) if in_order else (YOUNG + 2, YOUNG + 1)
    if start == "absent":  # nothing is young here: both are merged
        versions = tuple(version - YOUNG + OLD for version in versions)

    def scene():
        key = new_key()
        before = {
            "absent": [],
            "old": [operation("upsert", key, OLD, {"a": 1, "b": 2, "c": "old"})],
            "counted": [operation("increment", key, YOUNG + 9, {"a": 100})],
        }[start]
        return before, [_of(first, key, versions[0], 10)], [_of(second, key, versions[1], 20)]

    _try_schedules(bench, scene)


def test_batches_of_several_records_never_deadlock(bench):
    def scene():
        one, two, three = (new_key() for _ in range(3))
        before = [operation("upsert", one, OLD, {"a": 1})]
        first = [_of("increment", key, YOUNG, 1) for key in (three, one, two)]
        second = [_of("upsert", key, YOUNG + 1, 2) for key in (two, one, three)]
        return before, first, second

    _try_schedules(bench, scene)


def _try_schedules(bench, scene) -> None:
    """Stop the first worker at each boundary, and for each of these the second one at each."""
    for stop_first in range(MANY):
        first_stopped = False
        for stop_second in range(MANY):
            first_stopped, second_stopped = _schedule(bench, *scene(), stop_first, stop_second)
            if not second_stopped:
                break
        if not first_stopped:
            return
    raise AssertionError("there are more boundaries than expected")


def _schedule(bench, before, first, second, stop_first, stop_second) -> tuple[bool, bool]:
    """Play one schedule and compare; return which of the workers met its gate."""
    place, (one, two), monitor = bench
    if before:
        place.apply(*before)
    one.start(lambda target: place.apply(*first, by=target), stop_first)
    first_stopped = one.settle(monitor)
    two.start(lambda target: place.apply(*second, by=target), stop_second)
    second_stopped = two.settle(monitor)
    one.release()
    if second_stopped:
        one.settle_end(monitor)
    two.finish()
    one.finish()
    history = [*before, *first, *second]
    assert place.rows_on(monitor, {o.key for o in history}) == place.reference(history)
    return first_stopped, second_stopped


def _of(kind, key, version, number):
    data = {
        "upsert": {"a": number, "c": kind},
        "patch": {"a": number, "b": None},
        "delete": None,
        "increment": {"a": number, "b": 1},
    }
    return operation(kind, key, version, data[kind])


def _act(worker, place, batch):
    worker.start(lambda target: place.apply(*batch, by=target), MANY)
    worker.finish()
