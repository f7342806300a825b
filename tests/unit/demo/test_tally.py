from __future__ import annotations

import json

from syncpipe.demo.tally import Tally, read_tally


def line(**changes):
    entry = {
        "event": "batch",
        "outcomes": {"applied": 2},
        "latency_ms": {"10": 1, "20": 1},
        "committed_ms": 1000,
    }
    return json.dumps(entry | changes) + "\n"


def test_the_batches_of_all_workers_are_added_up(tmp_path):
    (tmp_path / "worker-1.log").write_text(line() + line(committed_ms=3000))
    (tmp_path / "worker-2.log").write_text(line(outcomes={"merged": 1}, latency_ms={"20": 5}))
    (tmp_path / "redis.log").write_text(line())
    assert read_tally(tmp_path) == Tally({"applied": 4, "merged": 1}, {10: 2, 20: 7}, 3000)


def test_other_lines_and_a_line_that_was_cut_by_a_kill_are_passed_over(tmp_path):
    texts = ["starting\n", '{"event": "worker-ready"}\n', line(event="other batch"), line()[:40]]
    (tmp_path / "worker-1.log").write_text("".join(texts))
    assert read_tally(tmp_path) == Tally({}, {}, None)


def test_a_batch_that_never_reached_the_target_has_no_commit(tmp_path):
    (tmp_path / "workers.log").write_text(
        line(committed_ms=None, outcomes={"retrying": 1}, latency_ms={})
    )
    assert read_tally(tmp_path).last_commit_ms is None


def test_percentiles_are_latencies_that_occurred():
    tally = Tally({}, {10: 98, 50: 1, 900: 1}, None)
    assert [tally.percentile_ms(percent) for percent in (1, 50, 98, 99, 100)] == [
        10,
        10,
        10,
        50,
        900,
    ]


def test_without_operations_there_is_no_percentile():
    assert Tally({}, {}, None).percentile_ms(50) is None
