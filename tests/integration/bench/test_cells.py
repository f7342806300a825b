"""Every cell of ours at a tiny size: what counts is that rows are verified and figures come."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncpipe.bench.plan import cells, measure
from syncpipe.bench.scale import SHORT
from syncpipe.bench.scaling import SERIES
from syncpipe.bench.workloads import Workload

TINY = replace(
    SHORT,
    counts=dict.fromkeys([*SHORT.counts, *SERIES], 400),
    sample=200,
    window_s=0.5,
    processes=1,
    trickle_per_s=200,
    single_producers=2,
    points={"backlog": (200,), "collections": (3,), "lanes": (16,)},
)
#: What other cells do with other documents, or as many processes as these.
_ALIKE = {
    ("hot", "limit"),
    ("hot", "raw"),
    ("wide", "syncpipe"),
    ("wide", "limit"),
    ("wide", "raw"),
}
CELLS = [cell for cell in cells(TINY) if cell not in _ALIKE]


@pytest.mark.parametrize(("workload", "system"), CELLS, ids=map(" / ".join, CELLS))
def test_a_cell_verifies_its_rows(workload, system):
    measured = measure(workload, system, TINY, lambda _: None)
    assert measured.wrong_rows == 0
    assert measured.operations > 0
    assert measured.seconds > 0
    assert measured.cpu_s >= 0
    assert measured.peak_rss_mb > 1


def test_a_wrong_row_is_found(monkeypatch):
    document = Workload.document
    monkeypatch.setattr(
        Workload, "document", lambda self, number: document(self, number) | {"n": max(number, 7)}
    )
    assert measure("distinct", "raw", TINY, lambda _: None).wrong_rows == 7
