"""``python -m tests.benchmarks.adaptive``: batches of fixed sizes beside those that adapt.

On simulated time, so it takes two minutes, and the figures are the same on each machine. What is
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

#: Operations of the fixed batches, and how many run at once.
SIZES = (10, 30, 100, 300, 1000, 4000, 16_000)
NUMBERS = (1, 2, 4)
#: Large batches pay; batches above 200 are throttled; operations meet serialization failures, or
#: records that are locked: the more, the larger the batch.
CHEAP = Regime(0.050, 0.00004, contention=0.1)
THROTTLED = Regime(0.010, 0.0001, most=200)
CONFLICTS = Regime(0.005, 0.0001, conflicts=5e-4)
LOCKS = Regime(0.005, 0.0001, locked=2e-4, lock_s=0.5)
#: One batch after the other; each other one slows it down by more than its share, or locks records
#: that it needs.
SERIAL = Regime(0.050, 0.0002, contention=1.0)
CROWDED = Regime(0.005, 0.00005, contention=2.0)
RIVALS = Regime(0.002, 0.00005, rivalry=2e-4, lock_s=0.5)


@dataclass(frozen=True)
class Case:
    """A target, and for how long it is looked at."""

    #: What it is like, one after the other for so many seconds each.
    regimes: tuple[Regime, ...]
    #: Seconds.
    seconds: float
    each_s: float = 20.0


#: By name.
CASES = {
    "fast": Case((Regime(0.002, 0.00002, contention=0.1),), 60),
    "slow": Case((Regime(0.080, 0.001, contention=0.3),), 240),
    "distant": Case((Regime(2.5, 0.0001),), 400),
    "throttled": Case((THROTTLED,), 60),
    "two at once": Case((Regime(0.050, 0.0001, at_once=2),), 240),
    "conflicts": Case((CONFLICTS,), 60),
    "locks": Case((LOCKS,), 200),
    "serial": Case((SERIAL,), 120),
    "crowded": Case((CROWDED,), 200),
    "rivals": Case((RIVALS,), 200),
    "changing": Case((CHEAP, THROTTLED, CONFLICTS, LOCKS), 160),
    "crowding": Case((CHEAP, CROWDED), 240, each_s=60.0),
}


def rate(
    case: Case,
    *,
    fixed: tuple[int, int] | None = None,
    seed: int = 0,
    seconds: float | None = None,
) -> float:
    """Return the operations a second that a target takes.

    The size of batches, and how many run at once, are *fixed*, or adapted. It is looked at for so
    many *seconds*, or those of the *case*.
    """
    simulation = Simulation(case.regimes, each_s=case.each_s, fixed=fixed, seed=seed)
    return simulation.run(seconds or case.seconds)


def main(arguments: list[str] | None = None) -> int:
    """Simulate, and print; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.adaptive")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet)
    columns = [*(f"{size:,}" for size in SIZES), "at once", "adapted", "of best"]
    _say(" ".join(["operations/s".ljust(12), *(column.rjust(8) for column in columns)]))
    for name, case in CASES.items():
        cells = row(case, seed=options.seed)
        _say(" ".join([name.ljust(12), *(cell.rjust(8) for cell in cells)]))
    return 0


def row(case: Case, *, seed: int) -> list[str]:
    """Return the cells of one *case*."""
    fixed = {
        (size, number): rate(case, fixed=(size, number), seed=seed)
        for size in SIZES
        for number in NUMBERS
    }
    best = max(fixed, key=lambda each: fixed[each])
    adapted = rate(case, seed=seed)
    rates = [max(fixed[size, number] for number in NUMBERS) for size in SIZES]
    cells = [*(f"{each:,.0f}" for each in rates), str(best[1])]
    return [*cells, f"{adapted:,.0f}", f"{adapted / fixed[best]:.2f}"]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
