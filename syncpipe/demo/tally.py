"""What the workers count about themselves, read from their logs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: What the logs of workers are called.
WORKER_LOGS = "worker*.log"


@dataclass(frozen=True, slots=True)
class Tally:
    """All batches of all workers together."""

    #: Operations by what became of them.
    outcomes: Mapping[str, int]
    #: Operations by their latency in milliseconds.
    latency_ms: Mapping[int, int]
    #: Unix milliseconds of the last commit; None when there was none.
    last_commit_ms: int | None

    def percentile_ms(self, percent: float) -> int | None:
        """Return the latency that *percent* of the operations do not exceed; None without any."""
        rank = sum(self.latency_ms.values()) * percent / 100
        seen = 0
        for latency, count in sorted(self.latency_ms.items()):
            seen += count
            if seen >= rank:
                return latency
        return None


def read_tally(logs: Path) -> Tally:
    """Add up the lines about batches in the logs of the directory *logs*."""
    outcomes: Counter[str] = Counter()
    latencies: Counter[int] = Counter()
    last_commit_ms: int | None = None
    for batch in batches_in(logs):
        outcomes.update(batch["outcomes"])
        latencies.update({int(ms): count for ms, count in batch["latency_ms"].items()})
        if batch["committed_ms"] is not None:
            last_commit_ms = max(batch["committed_ms"], last_commit_ms or 0)
    return Tally(outcomes, latencies, last_commit_ms)


def batches_in(logs: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines about batches; a worker that was killed may have left half a line."""
    for file in sorted(logs.glob(WORKER_LOGS)):
        with file.open("rb") as lines:
            for line in lines:
                if line.startswith(b"{") and b'"batch"' in line and line.endswith(b"}\n"):
                    entry = json.loads(line)
                    if entry.get("event") == "batch":
                        yield entry
