from __future__ import annotations

import pytest

from syncpipe.core.outcome import Outcome
from syncpipe.pipeline.batch import Batch, Settled
from syncpipe.pipeline.report import HELD, latencies
from syncpipe.testing.clock import START_MS
from tests.unit.pipeline.envelopes import item, operation


def latency(outcome, ms):
    settled = Settled(item(operation()), outcome, "apply")
    return latencies(Batch((), settled=(settled,)), START_MS + ms)


@pytest.mark.parametrize(
    ("ms", "rounded"), [(0, 0), (7, 7), (99, 99), (123, 120), (987, 990), (65432, 65000), (-5, 0)]
)
def test_latencies_keep_two_digits(ms, rounded):
    assert latency(Outcome.APPLIED, ms) == {rounded: 1}


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_what_the_target_holds_has_a_latency(outcome):
    assert bool(latency(outcome, 5)) is (outcome in HELD)
