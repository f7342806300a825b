"""What the figures are held against, as ratios of one run: shown, and deciding nothing. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from syncpipe.bench.measured import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The ratio to what most people would write first.
_PER_RECORD = "of_celery_task_per_record"
_RATIOS = "ratios"


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure, and how it should be."""

    #: What is measured.
    name: str
    #: How it should be.
    wanted: str
    #: How it is; None where that was not measured.
    measured: float | None
    #: Whether that will do; None where it was not measured.
    met: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return the members for JSON."""
        return asdict(self)


def bars(workloads: Mapping[str, Mapping[str, Any]]) -> list[Bar]:
    """Return every bar, with what *workloads*, each with its ratios, tell about it."""

    def told(workload: str, row: str, name: str) -> float | None:
        value: float | None = workloads.get(workload, {}).get(row, {}).get(name)
        return value

    def ratio(workload: str, name: str) -> float | None:
        return told(workload, _RATIOS, name)

    def ours(workload: str, name: str) -> float | None:
        return told(workload, OURS, name)

    return [
        _least("distinct, by Celery task per record", 60, ratio("distinct", _PER_RECORD)),
        _least("distinct, by the best guarded peer", 1.5, ratio("distinct", "of_best_guarded")),
        _least("distinct, by the best unguarded peer", 0.8, ratio("distinct", "of_best_unguarded")),
        _least("distinct, of limit", 0.6, ratio("distinct", "of_limit")),
        _least("distinct, of limit, workers alone", 0.6, ratio("distinct", "applied_of_limit")),
        _least("distinct, of raw", 0.4, ratio("distinct", "of_raw")),
        _least("distinct, of raw, workers alone", 0.4, ratio("distinct", "applied_of_raw")),
        _least("limit, of raw", 0.6, ratio("distinct", "limit_of_raw")),
        *_either(
            _least("hot, by our own distinct", 2, ratio("hot", "of_distinct")),
            _least("hot, or by Celery task per record", 120, ratio("hot", _PER_RECORD)),
        ),
        _least("hot, operations per write at a backlog", 5, ours("hot", "applied_ops_per_write")),
        _most("trickle, p50 in ms", 20, ours("trickle", "p50_ms")),
        _most("trickle, p99 in ms", 100, ours("trickle", "p99_ms")),
        _least("single, by Celery task per record", 8, ratio("single", _PER_RECORD)),
        _least("producer, calls a second", 100_000, ours("producer", "calls_per_s")),
        _least("producer, confirmed a second", 50_000, ours("producer", "confirmed_per_s")),
        _most("producer, p99 of a call in µs", 50, ours("producer", "call_p99_us")),
        _most(
            *("distinct, broker bytes by Celery task per record", 0.25),
            ratio("distinct", f"broker_bytes_{_PER_RECORD}"),
        ),
        _least("drain, last tenth by the first", 0.9, ours("drain", "last_tenth_to_first")),
        _most("drain, MB of a worker", 200, ours("drain", "peak_rss_mb")),
    ]


def _least(name: str, wanted: float, measured: float | None) -> Bar:
    return Bar(name, f">= {wanted:,}", measured, None if measured is None else measured >= wanted)


def _most(name: str, wanted: float, measured: float | None) -> Bar:
    return Bar(name, f"<= {wanted:,}", measured, None if measured is None else measured <= wanted)


def _either(*ways: Bar) -> Iterable[Bar]:
    """Return *ways* to one bar: met where one of them is, and missed where all are."""
    verdicts = {bar.met for bar in ways}
    met = True if True in verdicts else None if None in verdicts else False
    return [replace(bar, met=met) for bar in ways]
