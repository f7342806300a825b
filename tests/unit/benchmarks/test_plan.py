from __future__ import annotations

from syncpipe.bench.scale import FULL
from syncpipe.bench.scaling import SERIES
from tests.benchmarks.plan import ROUNDS, cells
from tests.benchmarks.systems import PEERS


def test_rounds_follow_each_other_so_that_all_systems_share_what_disturbs_the_machine():
    full = cells(short=False)
    rounds = [cell.round for cell in full if cell.workload not in SERIES]
    assert rounds == sorted(rounds)
    assert set(rounds) == set(range(1, ROUNDS + 1))
    assert len({cell.name for cell in full}) == len(full)


def test_the_series_come_last_and_once():
    full = [cell.workload in SERIES for cell in cells(short=False)]
    points = sum(map(len, FULL.points.values()))
    assert full == [False] * (len(full) - points) + [True] * points


def test_the_full_form_takes_an_hour_and_the_short_one_five_minutes():
    assert sum(cell.seconds(short=False) for cell in cells(short=False)) <= 60 * 60
    assert sum(cell.seconds(short=True) for cell in cells(short=True)) <= 5 * 60


def test_every_peer_takes_part_and_the_short_form_is_a_part_of_the_full_one():
    full, short = (
        {(cell.workload, cell.system) for cell in cells(short=form)} for form in (False, True)
    )
    assert {peer.name for peer in PEERS} <= {system for _, system in full}
    assert short < full
    assert {("distinct", "syncpipe"), ("distinct", "celery_task_per_record")} <= short


def test_the_short_form_needs_no_environment_but_ours():
    names = {cell.system for cell in cells(short=True)}
    assert {peer.environment for peer in PEERS if peer.name in names} == {"syncpipe"}
