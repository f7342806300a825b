from __future__ import annotations

import json

import pytest

from syncpipe.bench.progress import tenths


def test_the_tenths_of_an_even_run_take_equally_long(tmp_path):
    lines = [
        {"event": "batch", "committed_ms": 1000 * (second + 1), "operations": 100}
        for second in range(101)
    ]
    (tmp_path / "worker-1.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert tenths(tmp_path) == pytest.approx((10.0, 10.0, 100.0))


def test_a_run_that_slows_down_shows(tmp_path):
    lines = [
        {"event": "batch", "committed_ms": (second * second + 1) * 1000, "operations": 100}
        for second in range(101)
    ]
    (tmp_path / "worker-1.log").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    first_s, last_s, _ = tenths(tmp_path)
    assert last_s > 10 * first_s
