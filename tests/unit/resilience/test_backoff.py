from __future__ import annotations

import pytest

from syncpipe.resilience.backoff import equal_jitter, full_jitter
from syncpipe.testing.clock import SeededRandom


class Fixed:
    """Randomness that is always the same part of what is possible."""

    def __init__(self, part):
        self.part = part

    def bits(self, count):
        return int(self.part * (2**count - 1))


@pytest.mark.parametrize(("failures", "ceiling"), [(0, 1), (1, 2), (5, 32), (6, 60), (10**6, 60)])
def test_the_ceiling_doubles_up_to_the_longest(failures, ceiling):
    assert full_jitter(failures, 1, 60, Fixed(1)) == pytest.approx(ceiling)
    assert full_jitter(failures, 1, 60, Fixed(0)) == 0
    assert equal_jitter(failures, 1, 60, Fixed(1)) == pytest.approx(ceiling)
    assert equal_jitter(failures, 1, 60, Fixed(0)) == pytest.approx(ceiling / 2)


def test_who_failed_together_does_not_come_back_together():
    random = SeededRandom()
    assert len({full_jitter(3, 1, 60, random) for _ in range(100)}) == 100
