"""A batch of more records than are applied together."""

from __future__ import annotations

import pytest

from syncpipe.errors import Refused, TooSlow
from syncpipe.pipeline import isolation
from tests.unit.pipeline.test_isolation import Bench, records
from tests.unit.pipeline.test_search import bound

TOGETHER = 20


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.setattr(isolation, "MOST_TOGETHER", TOGETHER)
    return Bench()


def test_records_are_applied_so_many_at_a_time(bench):
    assert bench.run(records(45)) is None
    assert bench.target.calls == [20, 20, 5]
    assert len(bench.target.keys("orders")) == 45


def test_a_refusal_disturbs_only_what_is_applied_together_with_it(bench):
    operations = records(45)
    bench.target.errors = {operations[25].id: Refused("no")}
    assert bench.run(operations) is None
    assert bench.errors() == bench.target.errors
    first, second, *_, last = bench.target.calls
    assert (first, second, last) == (20, 20, 5)
    assert len(bench.target.calls) <= 2 + bound(TOGETHER, 1)


def test_after_something_slow_the_rest_of_the_batch_is_tried_alone(bench):
    operations = records(45)
    bench.target.errors = {operations[3].id: TooSlow("slow")}
    bench.run(operations)
    assert bench.target.calls == [20, *[1] * 45]
    assert len(bench.results) == 45


def test_when_the_time_is_over_no_further_part_is_begun(bench):
    operations = records(60)
    bench.target.errors = {each.id: TooSlow("slow") for each in operations[:20]}
    bench.run(operations, timeout_s=100.0)
    assert len(bench.results) < 20
