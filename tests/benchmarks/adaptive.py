"""``python -m tests.benchmarks.adaptive``: batches of fixed sizes beside those that adapt.

On simulated time, so it takes seconds, and the figures are the same on each machine. What is
simulated is the target and the broker; batcher, breaker and sizes are the worker's own.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass

import structlog

from tests.benchmarks.regimes import Regime
from tests.benchmarks.simulation import Simulation

#: Operations of the fixed batches.
SIZES = (10, 30, 100, 300, 1000, 4000, 16_000)
#: Large batches pay; batches above 200 are throttled; operations meet serialization failures, or
#: records that are locked: the more, the larger the batch.
CHEAP = Regime(0.050, 0.00004, contention=0.1)
THROTTLED = Regime(0.010, 0.0001, most=200)
CONFLICTS = Regime(0.005, 0.0001, conflicts=5e-4)
LOCKS = Regime(0.005, 0.0001, locked=2e-4, lock_s=0.5)


@dataclass(frozen=True)
class Case:
    """A target, and for how long it is looked at."""

    #: What it is like, one after the other for 20 seconds each.
    regimes: tuple[Regime, ...]
    #: Seconds.
    seconds: float


#: By name.
CASES = {
    "fast": Case((Regime(0.002, 0.00002, contention=0.1),), 20),
    "slow": Case((Regime(0.080, 0.001, contention=0.3),), 120),
    "changing": Case((CHEAP, THROTTLED, CONFLICTS, LOCKS), 160),
    "two at once": Case((Regime(0.050, 0.0001, at_once=2),), 60),
    "distant": Case((Regime(2.5, 0.0001),), 400),
    "throttled": Case((THROTTLED,), 60),
    "conflicts": Case((CONFLICTS,), 60),
    "locks": Case((LOCKS,), 60),
}
_EACH_S = 20.0


def rate(case: Case, *, size: int | None, seed: int = 0, seconds: float | None = None) -> float:
    """Return the operations a second that a target takes in batches of *size*; None: adapted.

    It is looked at for so many *seconds*, or those of the *case*.
    """
    simulation = Simulation(case.regimes, each_s=_EACH_S, size=size, seed=seed)
    return simulation.run(seconds or case.seconds)


def main(arguments: list[str] | None = None) -> int:
    """Simulate, and print; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.adaptive")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    columns = [*(f"{size:,}" for size in SIZES), "adapted", "of best"]
    _say(" ".join(["operations/s".ljust(12), *(column.rjust(8) for column in columns)]))
    for name, case in CASES.items():
        fixed = [rate(case, size=size, seed=options.seed) for size in SIZES]
        adapted = rate(case, size=None, seed=options.seed)
        cells = [*(f"{each:,.0f}" for each in (*fixed, adapted)), f"{adapted / max(fixed):.2f}"]
        _say(" ".join([name.ljust(12), *(cell.rjust(8) for cell in cells)]))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
