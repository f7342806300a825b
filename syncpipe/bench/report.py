"""The results as one object, and as tables for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.bench.bars import bars
from syncpipe.bench.measured import OURS, growth, ratios, summarised
from syncpipe.bench.scaling import SERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Results by workload and system.
Results = dict[str, dict[str, dict[str, Any]]]
_HEADS = (
    *("workload", "system", "operations/s", "from", "to", "cpu µs/op", "broker B/op", "peak MB"),
    *("guarded", "wrong rows", "beside"),
)
_STANDARD = {
    *("ops_per_s", "ops_per_s_spread", "cpu_us_per_op", "broker_bytes_per_op", "peak_rss_mb"),
    *("guarded", "wrong_rows", "runs", "missing", "operations"),
}
_SERIES_HEADS = ("series", "size", "cpu µs/op", "", "peak MB", "", "applied/s", "")
_BAR_HEADS = ("bar", "wanted", "measured", "")
#: The workload that is to be quicker than distinct, because few records get many operations.
_FOLDED = "hot"
#: Numbers from here on are shown without a fraction.
_WHOLE = 1000


def collected(
    runs: Iterable[tuple[str, str, Mapping[str, Any]]], missing: Mapping[tuple[str, str], str]
) -> Results:
    """Return the medians of *runs* (workload, system, result), and why others are *missing*."""
    cells: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for workload, system, result in runs:
        cells.setdefault((workload, system), []).append(result)
    found: Results = {}
    for (workload, system), each in cells.items():
        found.setdefault(workload, {})[system] = summarised(each)
    for (workload, system), why in missing.items():
        found.setdefault(workload, {}).setdefault(system, {"missing": why})
    return found


def as_object(machine: Mapping[str, Any], results: Results) -> dict[str, Any]:
    """Return everything for JSON: each workload with its ratios, each series with its growth."""
    distinct = results.get("distinct", {}).get(OURS)
    workloads = {
        workload: {**systems, "ratios": ratios(systems, distinct if workload == _FOLDED else None)}
        for workload, systems in results.items()
        if workload not in SERIES
    }
    series = {name: _points(name, results) for name in SERIES if name in results}
    scaling = {
        name: {size: {**each, "ratios": growth(points)[size]} for size, each in points.items()}
        for name, points in series.items()
    }
    found = bars(workloads)
    return {
        "machine": dict(machine),
        "workloads": workloads,
        "scaling": scaling,
        "bars": [bar.as_dict() for bar in found],
    }


def _points(name: str, results: Results) -> dict[str, dict[str, Any]]:
    """Return the measured points of a series, the smallest first."""
    points = {size: each for size, each in results[name].items() if "missing" not in each}
    drain = results.get("drain", {}).get(OURS, {})
    if name == "backlog" and "operations" in drain:
        points[str(drain["operations"])] = drain
    return dict(sorted(points.items(), key=lambda point: int(point[0])))


def faults(results: Results) -> list[str]:
    """Return the cells of systems that promise the right rows and have others."""
    return [
        f"{workload} / {system}: {each['wrong_rows']} rows are wrong"
        for workload, systems in results.items()
        for system, each in systems.items()
        if each.get("wrong_rows") and each["guarded"]
    ]


def table(content: Mapping[str, Any]) -> str:
    """Return what `as_object` has made for people: cells, ratios, series, and bars."""
    workloads: Mapping[str, Mapping[str, Any]] = content["workloads"]
    rows = [
        _row(workload, name, each)
        for workload, systems in workloads.items()
        for name, each in systems.items()
        if name != "ratios"
    ]
    ratios_ = [f"{name}: {_numbers(systems['ratios'])}" for name, systems in workloads.items()]
    series = [
        _point(name, size, each)
        for name, points in content["scaling"].items()
        for size, each in points.items()
    ]
    parts = [
        aligned([_HEADS, *rows]) if rows else "",
        "\n".join(ratios_),
        aligned([_SERIES_HEADS, *series]) if series else "",
        aligned([_BAR_HEADS, *map(_bar, content["bars"])]) if workloads else "",
    ]
    return "\n\n".join(filter(None, parts))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return *rows* in columns, the first as a heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])


def _row(workload: str, system: str, each: Mapping[str, Any]) -> tuple[str, ...]:
    if "missing" in each:
        return (workload, system, *("-",) * (len(_HEADS) - 3), each["missing"])
    low, high = each["ops_per_s_spread"]
    footprint = each["broker_bytes_per_op"]
    beside = {name: value for name, value in each.items() if name not in _STANDARD}
    return (
        *(workload, system, f"{each['ops_per_s']:,.0f}", f"{low:,.0f}", f"{high:,.0f}"),
        f"{each['cpu_us_per_op']:,.0f}",
        "-" if footprint is None else f"{footprint:,.0f}",
        f"{each['peak_rss_mb']:,.0f}",
        "yes" if each["guarded"] else "no",
        str(each["wrong_rows"]),
        _numbers(beside),
    )


def _point(name: str, size: str, each: Mapping[str, Any]) -> tuple[str, ...]:
    by = each["ratios"]
    return (
        *(name, f"{int(size):,}", f"{each['cpu_us_per_op']:,.1f}", _times(by.get("cpu_us_per_op"))),
        *(f"{each['peak_rss_mb']:,.0f}", _times(by.get("peak_rss_mb"))),
        *(_number(each.get("applied_per_s")), _times(by.get("applied_per_s"))),
    )


def _bar(bar: Mapping[str, Any]) -> tuple[str, ...]:
    measured, met = bar["measured"], bar["met"]
    said = "not measured" if met is None else "met" if met else "missed"
    return bar["name"], bar["wanted"], _number(measured), said


def _numbers(found: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in found.items()) or "-"


def _number(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:,.2f}"


def _times(value: float | None) -> str:
    return "" if value is None else f"x {value:.2f}"
