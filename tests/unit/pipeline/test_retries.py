from __future__ import annotations

import pytest

from syncpipe.pipeline.options import WorkerOptions
from syncpipe.pipeline.retries import Retries
from syncpipe.testing.clock import SeededRandom


def pauses_s(*, durable, seed=0, **options):
    retries = Retries(WorkerOptions(**options), SeededRandom(seed), durable)
    pauses, attempts = [], 1
    while (wait_ms := retries.wait_ms(attempts)) is not None:
        pauses.append(wait_ms / 1000)
        attempts += 1
    return pauses


@pytest.mark.parametrize("seed", range(5))
def test_with_a_schedule_the_last_try_comes_after_hours(seed):
    pauses = pauses_s(durable=True, seed=seed)
    assert len(pauses) == 19
    assert 4 * 3600 < sum(pauses) < 8.2 * 3600
    assert 0.5 <= pauses[0] <= 1
    assert max(pauses) <= 3600


@pytest.mark.parametrize("seed", range(5))
def test_what_is_held_unacknowledged_is_done_with_before_the_broker_takes_it_back(seed):
    pauses = pauses_s(durable=False, seed=seed)
    assert len(pauses) == 19
    assert max(pauses) <= 60
    assert sum(pauses) < 1800


def test_a_configured_pause_longer_than_a_minute_is_kept_in_the_process_too():
    pauses = pauses_s(durable=False, refused_delay_s=300.0, refused_attempts=3)
    assert all(150 <= pause <= 300 for pause in pauses)
