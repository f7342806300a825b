"""How the speed of the workers changed on the way, read from their logs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from syncpipe.demo.tally import batches_in

if TYPE_CHECKING:
    from pathlib import Path

_MS_PER_S = 1000
_TENTHS = 10


def tenths(logs: Path) -> tuple[float, float, float]:
    """Return the seconds of the first tenth of all operations, of the last, and of all of them.

    They begin with the first batch: what comes before is the start of processes.
    """
    batches = [batch for batch in batches_in(logs) if batch["committed_ms"]]
    begun_ms: float = min(b["committed_ms"] - sum(b["ms"].values()) for b in batches)
    commits = sorted((b["committed_ms"], b["operations"]) for b in batches)
    done: list[int] = list(itertools.accumulate(operations for _, operations in commits))
    times: list[float] = [(ms - begun_ms) / _MS_PER_S for ms, _ in commits]

    def when(part: float) -> float:
        wanted: float = done[-1] * part
        index = next(index for index, so_far in enumerate(done) if so_far >= wanted)
        before, at = (done[index - 1], times[index - 1]) if index else (0, 0.0)
        return at + (times[index] - at) * (wanted - before) / (done[index] - before)

    return when(1 / _TENTHS), times[-1] - when(1 - 1 / _TENTHS), times[-1]
