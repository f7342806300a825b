"""What the README shows of a full run, in Markdown and as a chart. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.bench.measured import CALLS, LIMIT, OURS, RAW
from tests.benchmarks.chart import chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEGIN, END = "<!-- made by make bench -->", "<!-- end of make bench -->"
_MEANINGS = {
    OURS: "**syncpipe**",
    CALLS: "syncpipe, a call for each record",
    LIMIT: "our target alone, no broker, no producer",
    RAW: "bare loop, one guarded statement per 2,000 rows, no producer",
}
#: Ours as the two above are measured: nothing is sent meanwhile.
_ALONE = f"{OURS}, workers alone"
_PER_RECORD = "celery_task_per_record"
_PICTURE = "![operations per second of each system](docs/benchmark.svg)"


def spliced(readme: str, section: str) -> str:
    """Return *readme* with *section* between its marks. Raises ValueError without them."""
    before, found, rest = readme.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"There is no place between {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{section}\n{END}{after}"


def section(content: Mapping[str, Any]) -> str:
    """Return the tables of a run, in Markdown."""
    workloads: Mapping[str, Mapping[str, Any]] = content["workloads"]
    distinct = _measured(workloads["distinct"])
    base = distinct.get(_PER_RECORD, {}).get("ops_per_s")
    ranked = _ranked(distinct)
    rows = [
        (
            _MEANINGS.get(name, name.replace("_", " ")),
            "yes" if each["guarded"] else "no",
            f"{each['ops_per_s']:,.0f}{_range(each)}",
            f"{each['ops_per_s'] / base:,.1f}" if base else "-",
            f"{each['cpu_us_per_op']:,.0f}",
            "-" if each["broker_bytes_per_op"] is None else f"{each['broker_bytes_per_op']:,.0f}",
            f"{each['peak_rss_mb']:,.0f}",
        )
        for name, each in ranked
    ]
    heads = (
        *("system", "refuses stale writes", "operations/s (range)", "times a task per record"),
        *("CPU µs/op", "broker bytes/op", "worker MB"),
    )
    ours = [
        (workload, f"{each['ops_per_s']:,.0f}", _details(each))
        for workload, systems in workloads.items()
        if (each := _measured(systems).get(OURS))
    ]
    parts = [
        _PICTURE,
        _markdown(heads, rows),
        "The workloads of syncpipe alone:",
        _markdown(("workload", "operations/s", "beside"), ours),
    ]
    if content["scaling"]:
        parts += [
            "What an operation costs, and a worker occupies, while one thing grows:",
            _markdown(
                ("what grows", "to", "CPU µs/op", "worker MB"),
                [_series(name, points) for name, points in content["scaling"].items()],
            ),
        ]
    return "\n\n".join([*parts, _where(content["machine"])])


def _series(name: str, points: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    return (
        name,
        " · ".join(f"{int(size):,}" for size in points),
        " · ".join(f"{each['cpu_us_per_op']:,.1f}" for each in points.values()),
        " · ".join(f"{each['peak_rss_mb']:,.0f}" for each in points.values()),
    )


def _ranked(distinct: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rows of the workload distinct, the quickest first, ours without a producer too."""
    rows = dict(distinct)
    ours = distinct.get(OURS, {})
    if ours.get("applied_per_s"):
        alone = {"ops_per_s": ours["applied_per_s"], "cpu_us_per_op": ours["applied_cpu_us_per_op"]}
        rows[_ALONE] = {**ours, **alone, "ops_per_s_spread": None}
    return sorted(rows.items(), key=lambda row: -row[1]["ops_per_s"])


def _where(machine: Mapping[str, Any]) -> str:
    return (
        f"Measured on {machine['cores']} shared cores ({machine['processor']}), "
        f"Python {machine['python']}, medians of the rounds."
    )


def picture(workloads: Mapping[str, Mapping[str, Any]], note: str) -> str:
    """Return the chart of the workload distinct."""
    ranked = _ranked(_measured(workloads["distinct"]))
    kinds = {OURS: "ours", CALLS: "ours", _ALONE: "ours", LIMIT: "possible", RAW: "possible"}
    bars = [
        (name.replace("_", " "), each["ops_per_s"], kinds.get(name, "peer"))
        for name, each in ranked
    ]
    return chart("distinct: operations per second, broker to PostgreSQL", bars, note)


def _range(each: Mapping[str, Any]) -> str:
    spread = each["ops_per_s_spread"]
    return f" ({' to '.join(f'{rate:,.0f}' for rate in spread)})" if spread else ""


def _measured(systems: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in systems.items() if "ops_per_s" in each}


def _details(each: Mapping[str, Any]) -> str:
    shown = {
        "p50_ms": "p50 {:,.0f} ms",
        "p99_ms": "p99 {:,.0f} ms",
        "applied_per_s": "{:,.0f}/s by workers alone, from a backlog",
        "ops_per_write": "{:,.1f} operations per target write",
        "applied_ops_per_write": "{:,.1f} from a backlog",
        "last_tenth_to_first": "last tenth {:.2f} times as fast as the first",
        "confirmed_per_s": "{:,.0f} confirmed/s",
        "calls_per_s": "{:,.0f} calls/s",
        "bulk_per_s": "{:,.0f} confirmed/s in bulk",
        "call_p99_us": "p99 of a call {:,.0f} µs",
    }
    told = {name: each[name] for name in shown if each.get(name) is not None}
    return ", ".join(shown[name].format(value) for name, value in told.items()) or "-"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
