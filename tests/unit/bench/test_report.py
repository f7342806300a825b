from __future__ import annotations

import json

from syncpipe.bench.measured import Measured, ratios
from syncpipe.bench.report import as_object, collected, faults, table


def _run(per_s, *, guarded=True, wrong=0, footprint=None, **details):
    return Measured(
        operations=int(per_s * 10),
        seconds=10.0,
        cpu_s=1.0,
        guarded=guarded,
        wrong_rows=wrong,
        peak_rss_mb=50.0,
        broker_bytes_per_op=footprint,
        details=details,
    ).as_dict()


RUNS = [
    ("distinct", "syncpipe", _run(2000, footprint=50.0)),
    ("distinct", "syncpipe", _run(3000, footprint=52.0)),
    ("distinct", "syncpipe", _run(10_000, footprint=51.0)),
    ("distinct", "limit", _run(4000)),
    ("distinct", "raw", _run(5000)),
    ("distinct", "slow", _run(100, guarded=False, wrong=3, footprint=500.0)),
    ("distinct", "careful", _run(1500)),
    ("hot", "syncpipe", _run(6000, ops_per_write=4.0)),
]


def test_medians_are_shown_with_their_spread():
    ours = collected(RUNS, {})["distinct"]["syncpipe"]
    assert ours["ops_per_s"] == 3000
    assert ours["ops_per_s_spread"] == [2000, 10_000]
    assert ours["broker_bytes_per_op"] == 51
    assert ours["runs"] == 3


def test_ratios_compare_with_everybody_and_with_the_best_of_each_kind():
    results = collected(RUNS, {})
    found = ratios(results["distinct"], results["distinct"])
    assert found["syncpipe/slow"] == 30
    assert found["syncpipe/best guarded peer"] == 2
    assert found["syncpipe/best unguarded peer"] == 30
    assert found["limit/raw"] == 0.8
    assert found["broker bytes syncpipe/slow"] == 0.102
    assert ratios(results["hot"], results["distinct"])["syncpipe/its own distinct"] == 2


def test_only_who_promises_the_right_rows_is_wrong_with_others():
    results = collected([*RUNS, ("hot", "careful", _run(1, wrong=2))], {})
    assert faults(results) == ["hot / careful: 2 rows are wrong"]


def test_the_table_and_the_object_hold_every_cell_and_say_what_is_missing():
    results = collected(RUNS, {("distinct", "absent"): "there is no Node with npm"})
    text = table(results)
    for word in ("syncpipe", "limit", "raw", "slow", "absent", "there is no Node", "ops_per_write"):
        assert word in text
    content = json.loads(json.dumps(as_object({"cores": 2}, results)))
    assert content["machine"] == {"cores": 2}
    assert content["workloads"]["distinct"]["absent"] == {"missing": "there is no Node with npm"}
    assert content["workloads"]["distinct"]["ratios"]["limit/raw"] == 0.8
