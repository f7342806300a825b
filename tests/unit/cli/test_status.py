from __future__ import annotations

import pytest

from syncpipe.cli.status import _worker_row
from syncpipe.transport.broker import WorkerInfo


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"batches": 4}, {"restarts": 0, "stalls": 0, "batches": 4}),
        ({"batches": 4, "stalls": 1, "restarts": 3}, {"restarts": 3, "stalls": 1, "batches": 4}),
    ],
)
def test_a_worker_is_shown_with_what_happened_to_it(counters, expected):
    info = WorkerInfo("w", 5, "h", 1_000, 3_400, counters)
    assert _worker_row(info) == {"name": "w", "pid": 5, "up_s": 2, **expected}
