from __future__ import annotations

import json
from dataclasses import replace

from syncpipe.bench.measured import Measured, ratios
from syncpipe.bench.report import as_object, collected, faults, table

MEASURED = Measured(
    operations=1000, seconds=10.0, cpu_s=1.0, guarded=True, wrong_rows=0, peak_rss_mb=50.0
)


def _run(per_s, *, guarded=True, wrong=0, footprint=None, **details):
    return replace(
        MEASURED,
        operations=int(per_s * 10),
        guarded=guarded,
        wrong_rows=wrong,
        broker_bytes_per_op=footprint,
        details=details,
    ).as_dict()


RUNS = [
    ("distinct", "syncpipe", _run(2000, footprint=50.0, applied_per_s=3600)),
    ("distinct", "syncpipe", _run(3000, footprint=52.0, applied_per_s=3600)),
    ("distinct", "syncpipe", _run(10_000, footprint=51.0, applied_per_s=3600)),
    ("distinct", "limit", _run(4000)),
    ("distinct", "raw", _run(5000)),
    ("distinct", "slow", _run(100, guarded=False, wrong=3, footprint=500.0)),
    ("distinct", "careful", _run(1500)),
    ("hot", "syncpipe", _run(6000, applied_ops_per_write=4.0, applied_per_s=9000)),
]


def test_medians_are_shown_with_their_spread():
    ours = collected(RUNS, {})["distinct"]["syncpipe"]
    assert ours["ops_per_s"] == 3000
    assert ours["ops_per_s_spread"] == [2000, 10_000]
    assert ours["broker_bytes_per_op"] == 51
    assert ours["runs"] == 3


def test_ratios_compare_with_everybody_and_with_the_best_of_each_kind():
    results = collected(RUNS, {})
    found = ratios(results["distinct"])
    assert found["of_slow"] == 30
    assert found["of_best_guarded"] == 2
    assert found["of_best_unguarded"] == 30
    assert found["limit_of_raw"] == 0.8
    assert found["broker_bytes_of_slow"] == 0.102
    assert ratios(results["hot"], results["distinct"]["syncpipe"])["of_distinct"] == 2


def test_our_own_second_row_is_nobodys_best_peer():
    results = collected(RUNS, {})
    distinct = results["distinct"]
    distinct["syncpipe_call_per_record"] = distinct["syncpipe"] | {"ops_per_s": 10_000}
    assert ratios(distinct)["of_best_guarded"] == 2
    assert ratios(distinct)["of_syncpipe_call_per_record"] == 0.3


def test_what_is_possible_is_compared_with_and_without_a_producer_on_the_same_cores():
    results = collected(RUNS, {})
    found = ratios(results["distinct"])
    assert (found["of_limit"], found["of_raw"]) == (0.75, 0.6)
    assert (found["applied_of_limit"], found["applied_of_raw"]) == (0.9, 0.72)
    assert "applied_of_slow" not in found
    assert ratios(results["hot"], results["distinct"]["syncpipe"])["applied_of_distinct"] == 2.5


def test_what_could_not_be_told_in_some_rounds_is_the_median_of_the_others():
    runs = [("drain", "syncpipe", _run(9, last_tenth_to_first=each)) for each in (None, 1.0, 0.5)]
    assert collected(runs, {})["drain"]["syncpipe"]["last_tenth_to_first"] == 0.75
    never = [("drain", "syncpipe", _run(9, last_tenth_to_first=None))]
    results = collected(never, {})
    assert results["drain"]["syncpipe"]["last_tenth_to_first"] is None
    assert "last_tenth_to_first n/a" in table(as_object({}, results))


def test_only_who_promises_the_right_rows_is_wrong_with_others():
    results = collected([*RUNS, ("hot", "careful", _run(1, wrong=2))], {})
    assert faults(results) == ["hot / careful: 2 rows are wrong"]


def test_the_table_and_the_object_hold_every_cell_and_say_what_is_missing():
    results = collected(RUNS, {("distinct", "absent"): "there is no Node with npm"})
    text = table(as_object({}, results))
    for word in (
        "syncpipe",
        "limit",
        "raw",
        "slow",
        "absent",
        "there is no Node",
        "applied_ops_per_write",
    ):
        assert word in text
    content = json.loads(json.dumps(as_object({"cores": 2}, results)))
    assert content["machine"] == {"cores": 2}
    assert content["workloads"]["distinct"]["absent"] == {"missing": "there is no Node with npm"}
    assert content["workloads"]["distinct"]["ratios"]["limit_of_raw"] == 0.8


def _point(cpu_s, rss_mb, operations=1000, **details):
    return replace(
        MEASURED, cpu_s=cpu_s, peak_rss_mb=rss_mb, operations=operations, details=details
    ).as_dict()


def test_points_of_a_series_are_shown_by_the_first_of_them():
    points = {
        "256": _point(1.5, 60.0, applied_per_s=90.0),
        "8": _point(1.0, 50.0, applied_per_s=100.0),
    }
    results = collected((("lanes", size, run) for size, run in points.items()), {})
    content = as_object({}, results)
    assert "lanes" not in content["workloads"]
    assert list(content["scaling"]["lanes"]) == ["8", "256"]
    assert content["scaling"]["lanes"]["256"]["ratios"] == {
        "cpu_us_per_op": 1.5,
        "peak_rss_mb": 1.2,
        "applied_per_s": 0.9,
    }
    assert "x 1.50" in table(content)


def test_the_drain_is_a_point_of_the_growing_backlog():
    runs = [
        ("drain", "syncpipe", _point(100.0, 80.0, 1_000_000, applied_per_s=None)),
        ("backlog", "10000", _point(1.0, 80.0, 10_000, applied_per_s=None)),
        ("backlog", "5000000", _point(600.0, 80.0, 5_000_000, applied_per_s=5.0)),
    ]
    backlog = as_object({}, collected(runs, {}))["scaling"]["backlog"]
    assert list(backlog) == ["10000", "1000000", "5000000"]
    assert backlog["5000000"]["ratios"] == {"cpu_us_per_op": 1.2, "peak_rss_mb": 1.0}
