from __future__ import annotations

import json

import pytest

from syncpipe.bench.progress import tenths


def _log(folder, committed_ms):
    lines = [
        {
            "event": "batch",
            "committed_ms": ms,
            "operations": 100,
            "ms": {"decode": 400, "apply": 600},
        }
        for ms in committed_ms
    ]
    (folder / "worker-1.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_the_tenths_of_an_even_run_take_equally_long(tmp_path):
    _log(tmp_path, range(1000, 101_000, 1000))
    assert tenths(tmp_path) == pytest.approx((10.0, 10.0, 100.0))


def test_a_run_that_slows_down_shows(tmp_path):
    _log(tmp_path, (1000 * second * second for second in range(1, 101)))
    first_s, last_s, _ = tenths(tmp_path)
    assert last_s > 10 * first_s


def test_a_single_batch_has_tenths_too(tmp_path):
    _log(tmp_path, [5000])
    assert tenths(tmp_path) == pytest.approx((0.1, 0.1, 1.0))
