"""Everything that needs nothing but ourselves, and how one of it is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.bench.cells import CELLS
from syncpipe.bench.place import place
from syncpipe.bench.scaling import SERIES, measure_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.bench.measured import Measured
    from syncpipe.bench.scale import Scale

#: What is so large, or says so much in one go, that once will do.
ONCE = {"drain", *SERIES}


def cells(scale: Scale) -> list[tuple[str, str]]:
    """Return workloads with their systems, and series with their points, in the report's order."""
    points = ((series, str(size)) for series, sizes in scale.points.items() for size in sizes)
    return [*CELLS, *points]


def measure(workload: str, system: str, scale: Scale, say: Callable[[str], object]) -> Measured:
    """Measure one of `cells` once. Raises SyncpipeError when something fails on the way."""
    if workload in SERIES:
        with place(scale, say, SERIES[workload](int(system))) as here:
            return measure_point(here, workload, int(system))
    with place(scale, say) as here:
        return CELLS[workload, system](here, workload)
