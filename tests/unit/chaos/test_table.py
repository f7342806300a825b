from __future__ import annotations

import math

import pytest

from tests.chaos.brokers.plan import CELLS, DRAIN, OURS, RACES, STOCK, Kind
from tests.chaos.brokers.table import failures, public, rendered
from tests.chaos.rows import chosen

(FROZEN,) = (each for each in CELLS if (each.system, each.kind) == (OURS, Kind.FROZEN_CONSUMER))
(STOCK_FROZEN,) = (
    each for each in CELLS if (each.system, each.kind) == (STOCK, Kind.FROZEN_CONSUMER)
)
ALL = [*(cell.name for cell in CELLS), *(race.name for race in RACES)]


def result(cell, **changes):
    fine = {
        "acknowledged": 500,
        "faults": cell.full,
        "lost": 0,
        "duplicated": 3,
        "unknown": 0,
        "repeated_effects": 0,
        "strangers": 0,
        "worst_recovery_s": 4.0,
        "examples": (),
    }
    return fine | changes


def results():
    everything = {cell.name: result(cell) for cell in CELLS}
    everything[STOCK_FROZEN.name]["lost"] = 9
    races = {race.name: {"ours": [40, 50, 60], "stock": [10, 11, 9]} for race in RACES}
    return everything | races


def wrong(name=None, names=ALL, **changes):
    found = results()
    if name:
        found[name] |= changes
    return failures(found, names, short=False)


def test_all_bars_can_be_met():
    assert wrong() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"lost": 1},
        {"unknown": 1},
        {"faults": FROZEN.full - 1},
        {"worst_recovery_s": 10.1},
        {"worst_recovery_s": math.inf},
        {"worst_recovery_s": None},
        {"repeated_effects": 1},
        {"strangers": 1},
        {"acknowledged": 0},
    ],
    ids=str,
)
def test_every_bar_can_be_missed(changes):
    (line,) = wrong(FROZEN.name, **changes)
    assert line.startswith(FROZEN.name)


def test_duplicates_are_no_failure():
    assert wrong(FROZEN.name, duplicated=1000) == []


def test_stock_celery_has_to_lose():
    (line,) = wrong(STOCK_FROZEN.name, lost=0)
    assert "would not see a loss" in line


def test_what_stock_celery_does_otherwise_is_no_failure():
    assert wrong(STOCK_FROZEN.name, unknown=2, worst_recovery_s=math.inf, duplicated=50) == []


def test_a_row_without_a_result_is_a_failure():
    found = results()
    del found[FROZEN.name]
    assert failures(found, ALL, short=False) == [f"{FROZEN.name}: no result"]


def test_rows_that_nobody_asked_for_do_not_count():
    assert wrong(FROZEN.name, names=[DRAIN.name], lost=5) == []


def test_a_benchmark_is_judged_by_its_medians():
    assert wrong(DRAIN.name, ours=[1, 30, 90], stock=[10, 10, 10]) == []
    (line,) = wrong(DRAIN.name, ours=[29, 29, 90], stock=[10, 10, 10])
    assert "2.9 times as fast, not 3" in line


def test_no_speed_decides_in_the_short_form():
    slow = {DRAIN.name: {"ours": [1, 1, 1], "stock": [10, 10, 10]}}
    assert failures(slow, [DRAIN.name], short=True) == []
    assert failures(slow, [DRAIN.name], short=False) != []
    for recovery, wrong_lines in ((59.0, 0), (math.inf, 1), (None, 1)):
        late = {FROZEN.name: result(FROZEN, worst_recovery_s=recovery)}
        assert len(failures(late, [FROZEN.name], short=True)) == wrong_lines


def test_the_short_form_asks_for_fewer_faults():
    found = results()
    found[FROZEN.name]["faults"] = FROZEN.short
    assert failures(found, [FROZEN.name], short=True) == []
    assert failures(found, [FROZEN.name], short=False) != []


def test_the_table_shows_what_was_found():
    found = results()
    found[FROZEN.name] |= {"lost": 42, "worst_recovery_s": math.inf}
    lines = rendered(found, [FROZEN.name, DRAIN.name]).splitlines()
    row = "syncpipe redis frozen consumer 500 100 42 3 0 never"
    assert " ".join(lines[2].split()) == row
    assert lines[-1].split()[-6:] == ["50", "(40-60)", "10", "(9-11)", "5.0", "3"]
    assert len(lines) == 7


def test_other_programs_read_never_instead_of_infinity():
    assert public({"lost": 1, "worst_recovery_s": math.inf}) == {
        "lost": 1,
        "worst_recovery_s": "never",
    }


def test_the_full_form_tries_as_much_as_we_promise():
    def faults(kind, broker=""):
        return sum(
            cell.full for cell in CELLS if cell.ours and cell.kind == kind and broker in cell.broker
        )

    assert faults(Kind.FROZEN_CONSUMER) >= 100
    assert faults(Kind.WORKER_KILL) >= 50
    assert all(faults(Kind.BROKER_KILL, broker) >= 20 for broker in ("redis", "rabbitmq"))
    assert faults(Kind.BROKER_KILL) + faults(Kind.BROKER_RESTART) >= 100


def test_rows_have_names_of_their_own_that_can_be_picked():
    assert len(set(ALL)) == len(ALL)
    assert chosen(ALL, []) == ALL
    assert chosen(ALL, ["drain"]) == [race.name for race in RACES]
    assert chosen(ALL, ["syncpipe*frozen consumer"]) == [FROZEN.name]
    assert chosen(ALL, ["nothing such"]) == []
