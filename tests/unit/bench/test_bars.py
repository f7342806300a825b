from __future__ import annotations

from syncpipe.bench.bars import bars
from syncpipe.bench.report import table


def _by_name(workloads):
    return {bar.name: bar for bar in bars(workloads)}


def test_what_was_not_measured_is_neither_met_nor_missed():
    assert {(bar.measured, bar.met) for bar in bars({})} == {(None, None)}


def test_bars_hold_from_above_or_from_below():
    found = _by_name(
        {
            "distinct": {"ratios": {"of_limit": 0.6, "applied_of_limit": 0.59}},
            "trickle": {"syncpipe": {"p50_ms": 20, "p99_ms": 101}},
        }
    )
    assert found["distinct, of limit"].met
    assert found["distinct, of limit, workers alone"].met is False
    assert found["trickle, p50 in ms"].met
    assert found["trickle, p99 in ms"].met is False


def test_one_of_two_ways_is_enough_for_hot():
    ways = [bar for bar in bars({"hot": {"ratios": {"of_distinct": 1.2}}}) if "hot, " in bar.name]
    assert [bar.met for bar in ways] == [None, None, None]
    for rate, met in ((130.0, True), (110.0, False)):
        both = {"of_distinct": 1.2, "of_celery_task_per_record": rate}
        ways = [bar for bar in bars({"hot": {"ratios": both}}) if "hot, " in bar.name]
        assert [bar.met for bar in ways] == [met, met, None]


def test_the_report_ends_with_them():
    content = {
        "workloads": {"trickle": {"ratios": {}}},
        "scaling": {},
        "bars": [bar.as_dict() for bar in bars({"trickle": {"syncpipe": {"p50_ms": 21}}})],
    }
    (line,) = (line for line in table(content).splitlines() if "trickle, p50" in line)
    assert line.split()[-4:] == ["<=", "20", "21.00", "missed"]
