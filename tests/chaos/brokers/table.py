"""What the results mean, and how they are shown. Pure."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.chaos.brokers.plan import CELLS, RACES, RECOVERY_S, STOCK, Kind
from tests.chaos.rows import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tests.chaos.brokers.plan import Cell, Race

_HEADS = (
    *("system", "broker", "fault", "acknowledged", "faults", "lost", "duplicated", "unknown"),
    "worst recovery s",
)
_RACE_HEADS = ("benchmark", "ours, messages/s", "stock, messages/s", "times as fast", "at least")
_FROZEN = (Kind.FROZEN_CONSUMER, Kind.FROZEN_WORKER)


def failures(results: Mapping[str, Mapping[str, Any]], names: Iterable[str], *, short: bool):
    """Return what is wrong with the cells *names*, one line each; empty if all bars are met.

    A cell without a result is wrong too. Where stock Celery was frozen, it has to lose. The *short*
    form runs on any machine and sends too little for a speed to decide anything: who is late is
    only who never recovers.
    """
    wanted = set(names)
    wrong = [f"{name}: no result" for name in sorted(wanted - set(results))]
    present = wanted & set(results)
    for cell in CELLS:
        if cell.ours and cell.name in present:
            found = _shortcomings(cell, results[cell.name], short=short)
            wrong += [f"{cell.name}: {each}" for each in found]
    for race in RACES:
        if short or race.name not in present:
            continue
        if (ratio := _ratio(results[race.name])) < race.bar:
            wrong.append(f"{race.name}: {ratio:.1f} times as fast, not {race.bar:g}")
    frozen = [cell.name for cell in CELLS if cell.system == STOCK and cell.kind in _FROZEN]
    measured = [name for name in frozen if name in present]
    if measured and not any(results[name]["lost"] for name in measured):
        wrong.append("stock Celery lost nothing when frozen: this harness would not see a loss")
    return wrong


def _shortcomings(cell: Cell, result: Mapping[str, Any], *, short: bool) -> list[str]:
    times = cell.times(short=short)
    recovery = result["worst_recovery_s"]
    late = recovery is None or (math.isinf(recovery) if short else recovery > RECOVERY_S)
    bars = {
        f"lost {result['lost']}, such as {list(result['examples'])}": result["lost"] > 0,
        f"unknown {result['unknown']}": result["unknown"] > 0,
        f"{result['faults']} faults instead of {times}": result["faults"] < times,
        f"worst recovery {seconds(recovery)} s, above {RECOVERY_S:g}": late,
        f"{result['repeated_effects']} effects came twice": bool(result["repeated_effects"]),
        f"{result['strangers']} messages came from nowhere": result["strangers"] > 0,
        "no message was acknowledged": result["acknowledged"] == 0,
    }
    return [text for text, missed in bars.items() if missed]


def rendered(results: Mapping[str, Mapping[str, Any]], names: Iterable[str]) -> str:
    """Return the tables of faults and of the benchmark, as far as there are results."""
    wanted = [name for name in names if name in results]
    faults = [_row(cell, results[cell.name]) for cell in CELLS if cell.name in wanted]
    races = [_race_row(race, results[race.name]) for race in RACES if race.name in wanted]
    tables = [(_HEADS, faults), (_RACE_HEADS, races)]
    return "\n\n".join(aligned([heads, *rows]) for heads, rows in tables if rows)


def public(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result for other programs: JSON has no infinity, so it is called never."""
    return {name: "never" if value == math.inf else value for name, value in result.items()}


def seconds(value: float | None) -> str:
    """Return *value* for people."""
    if value is None:
        return "-"
    return "never" if math.isinf(value) else f"{value:.1f}"


def _row(cell: Cell, result: Mapping[str, Any]) -> tuple[str, ...]:
    counts = ("acknowledged", "faults", "lost", "duplicated", "unknown")
    return (
        *(cell.system, cell.broker, str(cell.kind)),
        *(str(result[name]) for name in counts),
        seconds(result["worst_recovery_s"]),
    )


def _race_row(race: Race, result: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    return (
        race.name,
        _spread(result["ours"]),
        _spread(result["stock"]),
        f"{_ratio(result):.1f}",
        f"{race.bar:g}",
    )


def _ratio(result: Mapping[str, Sequence[float]]) -> float:
    return median(result["ours"]) / median(result["stock"])


def _spread(rates: Sequence[float]) -> str:
    return f"{median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
