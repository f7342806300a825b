"""What a cell of the benchmark came to, and what several of them come to together. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_US_PER_S = 1_000_000
#: Names of the rows that are ours, of what our stage takes alone, and of what PostgreSQL takes.
OURS, LIMIT, RAW = "syncpipe", "limit", "raw"


@dataclass(frozen=True, slots=True)
class Measured:
    """One system under one workload, once."""

    #: Operations whose effect was durable in the time.
    operations: int
    #: The time.
    seconds: float
    #: Seconds of processor of all processes concerned, servers included.
    cpu_s: float
    #: Whether a stale write would be refused.
    guarded: bool
    #: Rows that are wrong, missing or extra at the end.
    wrong_rows: int
    #: The most memory that one worker process has occupied.
    peak_rss_mb: float
    #: Bytes that an operation which waits occupies in the broker; None: there is none.
    broker_bytes_per_op: float | None = None
    #: What else the workload is about.
    details: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the members for JSON, with the rates."""
        return {
            "ops_per_s": self.operations / self.seconds,
            "cpu_us_per_op": self.cpu_s * _US_PER_S / max(self.operations, 1),
            **asdict(self),
        }


def summarised(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of several runs of one cell, the spread of the rate, and its faults."""
    rates = [run["ops_per_s"] for run in runs]
    footprints = [each for run in runs if (each := run["broker_bytes_per_op"]) is not None]
    return {
        "ops_per_s": round(median(rates), 1),
        "ops_per_s_spread": [round(min(rates), 1), round(max(rates), 1)],
        "cpu_us_per_op": round(median(run["cpu_us_per_op"] for run in runs), 1),
        "broker_bytes_per_op": round(median(footprints), 1) if footprints else None,
        "peak_rss_mb": round(max(run["peak_rss_mb"] for run in runs), 1),
        "guarded": runs[0]["guarded"],
        "wrong_rows": max(run["wrong_rows"] for run in runs),
        "runs": len(runs),
        **{
            name: round(median(run["details"][name] for run in runs), 3)
            for name in runs[0]["details"]
        },
    }


def ratios(
    systems: Mapping[str, Mapping[str, Any]], distinct: Mapping[str, Mapping[str, Any]]
) -> dict[str, float]:
    """Return how our rate compares with that of every other system, and with what is possible.

    *distinct* are the results of that workload, with which others are compared.
    """
    rates = {name: each["ops_per_s"] for name, each in systems.items() if each.get("ops_per_s")}
    found: dict[str, float] = {}
    if ours := rates.get(OURS):
        found |= {f"{OURS}/{name}": ours / rate for name, rate in rates.items() if name != OURS}
        found |= _against(ours, "best guarded peer", _peers(systems, guarded=True))
        found |= _against(ours, "best unguarded peer", _peers(systems, guarded=False))
        if systems is not distinct and distinct.get(OURS, {}).get("ops_per_s"):
            found[f"{OURS}/its own distinct"] = ours / distinct[OURS]["ops_per_s"]
    if LIMIT in rates and RAW in rates:
        found[f"{LIMIT}/{RAW}"] = rates[LIMIT] / rates[RAW]
    footprints = {
        name: each["broker_bytes_per_op"]
        for name, each in systems.items()
        if each.get("broker_bytes_per_op")
    }
    if OURS in footprints:
        found |= {
            f"broker bytes {OURS}/{name}": footprints[OURS] / each
            for name, each in footprints.items()
            if name != OURS
        }
    return {name: round(value, 3) for name, value in found.items()}


def _peers(systems: Mapping[str, Mapping[str, Any]], *, guarded: bool) -> list[float]:
    return [
        each["ops_per_s"]
        for name, each in systems.items()
        if name not in {OURS, LIMIT, RAW} and each.get("guarded") is guarded and "ops_per_s" in each
    ]


def _against(ours: float, name: str, rates: Iterable[float]) -> dict[str, float]:
    best = max(rates, default=0.0)
    return {f"{OURS}/{name}": ours / best} if best else {}
