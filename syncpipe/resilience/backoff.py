"""How long to wait before trying again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.core.chance import Random

_FRACTION_BITS = 32


def full_jitter(failures: int, first_s: float, longest_s: float, random: Random) -> float:
    """Return seconds between 0 and *first_s* doubled with each of *failures*, at most *longest_s*.

    Full jitter: who failed together does not come back together. *failures* counts from 0.
    """
    return _ceiling(failures, first_s, longest_s) * _fraction(random)


def equal_jitter(failures: int, first_s: float, longest_s: float, random: Random) -> float:
    """Return at least half, and at most all, of what `full_jitter` can return."""
    return _ceiling(failures, first_s, longest_s) * (1 + _fraction(random)) / 2


def _ceiling(failures: int, first_s: float, longest_s: float) -> float:
    return min(longest_s, first_s * 2.0 ** min(failures, 62))


def _fraction(random: Random) -> float:
    return random.bits(_FRACTION_BITS) / 2.0**_FRACTION_BITS
