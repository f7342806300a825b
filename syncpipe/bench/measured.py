"""What a cell of the benchmark came to, and what several of them come to together. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_US_PER_S = 1_000_000
#: Names of the rows that are ours: sent in bulk, and with a call for each record.
OURS, CALLS = "syncpipe", "syncpipe_call_per_record"
#: Names of the rows of what our stage takes alone, and of what PostgreSQL takes.
LIMIT, RAW = "limit", "raw"
#: Rows that are nobody else's.
_OWN = {OURS, CALLS, LIMIT, RAW}


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
    #: What else the workload is about; None where it could not be told.
    details: Mapping[str, float | None] = field(default_factory=dict)

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
        "operations": runs[0]["operations"],
        **{name: _median(run["details"][name] for run in runs) for name in runs[0]["details"]},
    }


def _median(values: Iterable[float | None]) -> float | None:
    """Return the median of what could be told; None if nothing could."""
    told = [value for value in values if value is not None]
    return round(median(told), 3) if told else None


def ratios(
    systems: Mapping[str, Mapping[str, Any]], distinct: Mapping[str, Any] | None = None
) -> dict[str, float]:
    """Return our rate by that of every other system, and by what is possible.

    ``of_NAME`` is our rate with the producer on the same cores, ``applied_of_NAME`` that of the
    workers alone at a backlog, as *limit* and *raw* have none either. *distinct* is what we came to
    in that workload, if this one is to be compared with it.
    """
    rates = _each(systems, "ops_per_s")
    others = {name: rate for name, rate in rates.items() if name != OURS}
    own = {"distinct": distinct or {}}
    found = _by("of", rates.get(OURS), others | _best(systems) | _each(own, "ops_per_s"))
    applied = systems.get(OURS, {}).get("applied_per_s")
    possible = {name: rate for name, rate in rates.items() if name in {LIMIT, RAW}}
    found |= _by("applied_of", applied, possible | _each(own, "applied_per_s"))
    found |= _by(f"{LIMIT}_of", rates.get(LIMIT), {n: r for n, r in rates.items() if n == RAW})
    footprints = _each(systems, "broker_bytes_per_op")
    ours = footprints.pop(OURS, None)
    return found | _by("broker_bytes_of", ours, footprints)


def growth(points: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return what each of *points*, the first of them the base, costs by what the base costs."""
    base = next(iter(points.values()), {})
    return {
        size: {
            name: round(each[name] / base[name], 3)
            for name in ("cpu_us_per_op", "peak_rss_mb", "applied_per_s")
            if each.get(name) and base.get(name)
        }
        for size, each in points.items()
    }


def _each(systems: Mapping[str, Mapping[str, Any]], member: str) -> dict[str, float]:
    """Return *member* of every system that has it."""
    return {name: each[member] for name, each in systems.items() if each.get(member)}


def _best(systems: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the rates of the best peers, with a guard and without one."""
    peers = {name: each for name, each in systems.items() if name not in _OWN}
    found = {}
    for name, guarded in (("best_guarded", True), ("best_unguarded", False)):
        kind = {peer: each for peer, each in peers.items() if each.get("guarded") is guarded}
        if rates := _each(kind, "ops_per_s").values():
            found[name] = max(rates)
    return found


def _by(prefix: str, ours: float | None, others: Mapping[str, float]) -> dict[str, float]:
    if not ours:
        return {}
    return {f"{prefix}_{name}": round(ours / each, 3) for name, each in others.items()}
