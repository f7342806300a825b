"""How much each cell sends, in the full form and in the short one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes of the cells."""

    #: Operations, by workload or series; of backlogs, so many at least, in several if need be.
    counts: Mapping[str, int]
    #: Operations that are sent first: their bytes are weighed, and they warm everybody up.
    sample: int
    #: Seconds for which rates are taken where the time is fixed.
    window_s: float
    #: Sizes of the points of each series.
    points: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    #: Worker processes, and processes that feed PostgreSQL.
    processes: int = 2
    #: Operations in a second of the workload trickle.
    trickle_per_s: int = 1000
    #: Producers of the workload single, and how far apart their keys begin.
    single_producers: int = 8
    single_range: int = 1_000_000
    #: Room of a client whose calls alone are timed: nothing must wait for the broker.
    producer_buffer_bytes: int = 1_000_000_000

    def operations(self, workload: str) -> int:
        """Return how many operations are measured of *workload*, or at a point of it."""
        return self.counts[workload]


FULL = Scale(
    {
        "distinct": 500_000,
        "hot": 500_000,
        "mixed": 100_000,
        "trickle": 20_000,
        "wide": 40_000,
        "drain": 1_000_000,
        "producer": 200_000,
        "backlog": 200_000,
        "collections": 200_000,
        "processes": 200_000,
        "lanes": 200_000,
    },
    sample=10_000,
    window_s=20.0,
    points={
        # A million in between is the workload drain.
        "backlog": (10_000, 100_000, 5_000_000),
        "collections": (1, 10, 100),
        "processes": (1, 2, 4),
        "lanes": (8, 64, 256),
    },
)
SHORT = Scale(
    {
        "distinct": 20_000,
        "hot": 20_000,
        "mixed": 10_000,
        "trickle": 2_000,
        "wide": 2_000,
        "drain": 50_000,
        "producer": 20_000,
    },
    sample=4_000,
    window_s=3.0,
)
