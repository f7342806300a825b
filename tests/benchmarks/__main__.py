"""``python -m tests.benchmarks``: syncpipe beside other systems, in one run."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncpipe.bench.machine import machine
from syncpipe.bench.plan import measure
from syncpipe.bench.report import as_object, collected, faults, table
from syncpipe.bench.scale import FULL, SHORT
from tests.benchmarks.environments import Missing
from tests.benchmarks.plan import ROUNDS, cells
from tests.benchmarks.racing import race
from tests.benchmarks.readme import picture, section, spliced
from tests.benchmarks.systems import PEERS
from tests.resumable import ROOT, code_digest, resumed

if TYPE_CHECKING:
    from tests.benchmarks.plan import Cell
    from tests.resumable import Run

_STATE = ROOT / ".syncpipe" / "bench"
#: What results depend on.
_SOURCES = ("syncpipe", "workers", "tests/benchmarks")
_README, _CHART = ROOT / "README.md", ROOT / "docs" / "benchmark.svg"
#: The machine, kept with the results: they may have been measured before.
_MACHINE = "machine"


def main(arguments: list[str] | None = None) -> int:
    """Measure what is not finished yet; return 0 if every row is as its system promises."""
    options = _parser().parse_args(arguments)
    wanted = [
        cell
        for cell in cells(short=options.short, rounds=options.rounds)
        if not options.only or any(text in cell.name for text in options.only)
    ]
    if not wanted:
        sys.stderr.write(f"Nothing matches {options.only}.\n")
        return 2
    run = resumed(
        options.state.resolve() / ("short" if options.short else "full"),
        names=[_MACHINE, *(cell.name for cell in wanted)],
        seed=0,
        short=options.short,
        fresh=options.fresh,
        code=code_digest(*_SOURCES),
    )
    # An end from outside passes through every `with`, so that no process is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if _MACHINE not in run.results:
        run.finish(_MACHINE, machine())
    _say(f"commit {run.commit}, {run.results[_MACHINE]}")
    left_s = sum(cell.seconds(short=run.short) for cell in wanted if cell.name not in run.results)
    _say(f"{len(wanted)} cells, about {math.ceil(left_s / 60)} minutes from here")
    for cell in wanted:
        _carry_out(run, cell)
    return _report(run, wanted, publish=options.publish)


def _carry_out(run: Run, cell: Cell) -> None:
    """Measure *cell*, unless that is finished, and keep the result."""
    if cell.name in run.results:
        _say(f"{cell.name}: finished before")
        return
    began = time.monotonic()
    try:
        result = _measured(cell, short=run.short)
    except Missing as error:
        run.finish(cell.name, {"missing": str(error)})
        _say(f"{cell.name}: left out, {error}")
    except Exception:  # noqa: BLE001 - the other cells go on
        traceback.print_exc()
    else:
        run.finish(cell.name, result)
        _say(f"{cell.name}: {result['ops_per_s']:,.0f}/s ({time.monotonic() - began:.0f} s)")


def _measured(cell: Cell, *, short: bool) -> dict[str, Any]:
    scale = SHORT if short else FULL
    for peer in PEERS:
        if peer.name == cell.system:
            return race(peer, cell.workload, scale).as_dict()
    return measure(cell.workload, cell.system, scale, lambda _: None).as_dict()


def _report(run: Run, wanted: list[Cell], *, publish: bool) -> int:
    """Print the table, write it as JSON, for the README where asked, and return the status."""
    done = [cell for cell in wanted if cell.name in run.results]
    results = collected(
        (
            (cell.workload, cell.system, run.results[cell.name])
            for cell in done
            if "missing" not in run.results[cell.name]
        ),
        {
            (cell.workload, cell.system): run.results[cell.name]["missing"]
            for cell in done
            if "missing" in run.results[cell.name]
        },
    )
    content = as_object(run.results[_MACHINE] | {"commit": run.commit}, results)
    path = run.directory / "results.json"
    path.write_text(json.dumps(content, indent=1))
    sys.stdout.write(f"\n{table(content)}\n\n")
    if publish:
        _publish(content)
    wrong = faults(results)
    wrong += [f"{cell.name}: no result" for cell in wanted if cell not in done]
    for line in wrong:
        _say(f"FAILED {line}")
    _say(f"{'FAILED' if wrong else 'every row is as it should be'}; {path}")
    return 1 if wrong else 0


def _publish(content: dict[str, Any]) -> None:
    machine_, workloads = content["machine"], content["workloads"]
    note = f"{machine_['cores']} shared cores, Python {machine_['python']}; made by make bench"
    text = spliced(_README.read_text("utf-8"), section(content))
    _README.write_text(text, "utf-8")
    _CHART.write_text(picture(workloads, note), "utf-8")


def _say(text: str) -> None:
    sys.stdout.write(f"bench: {text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="fewer systems, less of each")
    parser.add_argument(
        "--state", type=Path, default=_STATE, metavar="DIR", help="where results are kept"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="only cells whose name holds it, such as 'distinct / syncpipe'; repeatable",
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help=f"of the full form; default: {ROUNDS}"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was finished before")
    parser.add_argument(
        "--publish", action="store_true", help="write the table into README.md, and the chart"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
