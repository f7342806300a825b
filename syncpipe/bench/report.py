"""The results as one object, and as a table for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.bench.measured import ratios, summarised

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
    *("guarded", "wrong_rows", "runs", "missing"),
}


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
    """Return everything for JSON, with the ratios in each workload."""
    distinct = results.get("distinct", {})
    workloads = {
        workload: {**systems, "ratios": ratios(systems, distinct)}
        for workload, systems in results.items()
    }
    return {"machine": dict(machine), "workloads": workloads}


def faults(results: Results) -> list[str]:
    """Return the cells of systems that promise the right rows and have others."""
    return [
        f"{workload} / {system}: {each['wrong_rows']} rows are wrong"
        for workload, systems in results.items()
        for system, each in systems.items()
        if each.get("wrong_rows") and each["guarded"]
    ]


def table(results: Results) -> str:
    """Return the results as aligned columns, and the ratios below."""
    distinct = results.get("distinct", {})
    rows = [_row(w, name, each) for w, systems in results.items() for name, each in systems.items()]
    lines = [f"{w}: {_ratio_text(systems, distinct)}" for w, systems in results.items()]
    return "\n".join([aligned([_HEADS, *rows]), "", *lines])


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
        ", ".join(f"{name} {value:,.2f}" for name, value in beside.items()) or "-",
    )


def _ratio_text(
    systems: Mapping[str, Mapping[str, Any]], distinct: Mapping[str, Mapping[str, Any]]
) -> str:
    found = ratios(systems, distinct)
    return ", ".join(f"{name} {value:.2f}" for name, value in found.items()) or "-"
