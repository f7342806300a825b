from __future__ import annotations

import json

import pytest

from syncpipe.bench.progress import read_progress


def _log(folder, worker, committed_ms, operations=100):
    lines = [
        {
            "event": "batch",
            "worker": worker,
            "committed_ms": ms,
            "envelopes": 2,
            "operations": operations,
            "outcomes": {"applied": operations - 10, "merged": 10},
            "ms": {"decode": 400, "apply": 600, "settle": 5000},
        }
        for ms in committed_ms
    ]
    (folder / f"{worker}.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_an_even_run_has_even_tenths_and_a_rate(tmp_path):
    _log(tmp_path, "worker-1", range(1000, 101_000, 1000))
    progress = read_progress(tmp_path)
    assert progress.seconds == 100
    assert progress.rate == pytest.approx(100)
    assert progress.last_tenth_to_first == pytest.approx(1)
    assert progress.ops_per_envelope == 50
    assert progress.outcomes == {"applied": 9000, "merged": 1000}


def test_a_run_that_slows_down_shows(tmp_path):
    _log(tmp_path, "worker-1", (1000 * second * second for second in range(1, 101)))
    assert read_progress(tmp_path).last_tenth_to_first < 0.1


def test_only_the_time_counts_in_which_all_processes_work(tmp_path):
    # One alone has the machine for itself, before the other begins and when it has ended.
    _log(tmp_path, "worker-1", range(1000, 51_000, 1000))
    _log(tmp_path, "worker-2", range(11_000, 61_000, 1000))
    progress = read_progress(tmp_path)
    assert progress.seconds == 60
    assert progress.rate == pytest.approx(200)
    assert progress.last_tenth_to_first == pytest.approx(1)


def test_large_batches_count_by_and_by(tmp_path):
    _log(tmp_path, "worker-1", range(1000, 41_000, 1000), operations=16_000)
    _log(tmp_path, "worker-2", range(1500, 41_500, 1000), operations=16_000)
    assert read_progress(tmp_path).rate == pytest.approx(32_000)


def test_too_few_batches_have_no_tenths_and_no_company_no_rate(tmp_path):
    _log(tmp_path, "worker-1", [5000])
    assert read_progress(tmp_path).last_tenth_to_first is None
    _log(tmp_path, "worker-2", [5900])
    assert read_progress(tmp_path).rate is None
    _log(tmp_path, "worker-2", [9000])
    assert read_progress(tmp_path).rate is None
