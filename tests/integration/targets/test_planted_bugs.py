"""The property tests find what they are there to find: each bug planted here has a counter-example.

Without this, a test of histories that never reaches the interesting ones would look as green.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import Phase, find, settings
from hypothesis.errors import FlakyFailure

from syncpipe.targets.postgres import statements
from syncpipe.targets.postgres.target import PostgresTarget
from tests.integration.targets.histories import DOCUMENT_FIELDS, TABLE_FIELDS, deliveries
from tests.integration.targets.places import PLACES, PLAIN_COLUMNS, execute
from tests.integration.targets.workers import two_workers

#: The first counter-example will do; of rare ones, hundreds of tries may see none.
searching = settings(max_examples=5_000, phases=[Phase.generate], database=None)
MEMORY = {"document": "documents", "table": "records"}
FIELDS = {
    "document": DOCUMENT_FIELDS,
    "table": {name: TABLE_FIELDS[name] for name in PLAIN_COLUMNS},
}
GUARD = "WHERE (t.version, t.tie) < ("


class ForgetsDeletes(PostgresTarget):
    """Loses tombstones: after a delete nothing is remembered."""

    def apply(self, groups, *, now_ms):
        results = super().apply(groups, now_ms=now_ms)
        execute(
            self._options.dsn,
            "DELETE FROM syncpipe.documents WHERE document IS NULL",
            "DELETE FROM syncpipe.records WHERE gone",
        )
        return results


@pytest.fixture(params=PLACES)
def mode(request):
    return request.param


def test_a_guard_that_lets_equals_pass_is_found(mode, dsn, monkeypatch):
    _plant(monkeypatch, MEMORY[mode], "put", GUARD, GUARD.replace("<", "<="))
    _find(mode, dsn)


def test_a_guard_that_ignores_ties_is_found(mode, dsn, monkeypatch):
    _plant(monkeypatch, MEMORY[mode], "put", GUARD, "WHERE (t.version, 0) < (")
    _find(mode, dsn)


def test_a_guard_of_patches_that_compares_nothing_is_found(mode, dsn, monkeypatch):
    _plant(monkeypatch, MEMORY[mode], "patch", "<= (t.version, t.tie)", "<= (0, 0)")
    _find(mode, dsn)


def test_increments_without_ledger_are_found(mode, dsn, monkeypatch):
    _plant(monkeypatch, "increments", "count", "amounts jsonb\n)", "amounts jsonb\n) WHERE false")
    _find(mode, dsn)


def test_lost_tombstones_are_found(mode, dsn):
    _find(mode, dsn, ForgetsDeletes)


def _find(mode, dsn, kind=PostgresTarget):
    """Pass if a delivery breaks the promises; the search raises `NoSuchExample` if none does.

    Which of two workers is the first may decide, so that what was found breaks nothing again.
    """
    with PLACES[mode](dsn) as place:
        targets = [kind(place.target._options, place.target._collections) for _ in range(2)]
        with two_workers(place, targets) as workers, contextlib.suppress(FlakyFailure):
            find(
                deliveries(FIELDS[mode]),
                lambda delivery: _breaks(workers, delivery),
                settings=searching,
            )


def _breaks(workers, delivery) -> bool:
    try:
        workers.check(delivery)
    except (AssertionError, KeyError):
        return True
    return False


def _plant(monkeypatch, file, name, right, wrong):
    original = statements.texts
    assert original(file)[name].count(right) == 1

    def planted(asked):
        if asked != file:
            return original(asked)
        return {**original(file), name: original(file)[name].replace(right, wrong)}

    monkeypatch.setattr(statements.statement, "texts", planted)
