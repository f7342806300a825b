from __future__ import annotations

from syncpipe.pipeline import WorkerOptions
from syncpipe.pipeline.outage import Outage
from syncpipe.testing.clock import FakeClock, SeededRandom


def test_pauses_grow_from_the_first_to_the_longest():
    clock = FakeClock()
    outage = Outage(WorkerOptions(outage_delay_s=1, outage_delay_max_s=60), clock, SeededRandom())
    for failures in range(10):
        ceiling = min(60, 2**failures)
        pause_s, news = outage.failed()
        assert ceiling / 2 <= pause_s <= ceiling
        assert news is (failures == 0)
        clock.advance(pause_s + 0.001)


def test_batches_that_fail_together_count_once():
    outage = Outage(WorkerOptions(), FakeClock(), SeededRandom())
    first, _ = outage.failed()
    assert [outage.failed() for _ in range(3)] == [(first, False)] * 3


def test_recovery_is_news_once_and_begins_anew():
    clock = FakeClock()
    outage = Outage(WorkerOptions(outage_delay_s=1), clock, SeededRandom())
    for _ in range(5):
        clock.advance(outage.failed()[0] + 0.001)
    assert [outage.passed(), outage.passed()] == [True, False]
    pause_s, news = outage.failed()
    assert pause_s <= 1
    assert news
