"""``python -m tests.chaos.brokers``: what stock Celery loses, and that syncpipe loses nothing."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.chaos.brokers.cells import Site
from tests.chaos.brokers.plan import CELLS, RACES
from tests.chaos.brokers.table import failures, public, rendered
from tests.chaos.machine import machine
from tests.chaos.rows import chosen
from tests.resumable import ROOT, code_digest, resumed

if TYPE_CHECKING:
    from tests.resumable import Run

_STATE = ROOT / ".syncpipe" / "chaos-brokers"
#: What results depend on.
_SOURCES = ("syncpipe", "workers", "tests/chaos")


def main(arguments: list[str] | None = None) -> int:
    """Run what is not finished yet; return 0 only if every bar was met."""
    options = _parser().parse_args(arguments)
    cells = [cell.name for cell in CELLS if cell.times(short=options.short)]
    names = chosen([*cells, *(race.name for race in RACES)], options.only)
    if not names:
        sys.stderr.write(f"Nothing matches {options.only}; there are: {', '.join(cells)}\n")
        return 2
    run = resumed(
        # A short run leaves a full one alone that was interrupted.
        options.state.resolve() / ("short" if options.short else "full"),
        names=names,
        seed=options.seed,
        short=options.short,
        fresh=options.fresh,
        code=code_digest(*_SOURCES),
    )
    _say(f"seed {run.seed}, commit {run.commit}, {machine()}; logs and books: {run.directory}")
    # An end from outside passes through every `with`, so that no process is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    _carry_out(run, names)
    return _report(run, names)


def _carry_out(run: Run, names: list[str]) -> None:
    """Carry out those of the cells *names* that are not finished, and keep their results."""
    cells = {cell.name: cell for cell in CELLS}
    with Site(run) as site:
        for name in names:
            if name in run.results:
                _say(f"{name}: finished before")
                continue
            _say(f"{name} …")
            began = time.monotonic()
            try:
                result = site.tally(cells[name]) if name in cells else site.race(name)
            except (Exception, pytest.skip.Exception):  # noqa: BLE001 - the other cells go on
                traceback.print_exc()
            else:
                run.finish(name, result)
                _say(f"{name}: {time.monotonic() - began:.0f} s")


def _report(run: Run, names: list[str]) -> int:
    """Print the table, write it as JSON, and return the exit status."""
    wrong = failures(run.results, names, short=run.short)
    content = {
        "seed": run.seed,
        "short": run.short,
        "commit": run.commit,
        "machine": machine(),
        "failures": wrong,
        "results": {name: public(run.results[name]) for name in names if name in run.results},
    }
    path = run.directory / "results.json"
    path.write_text(json.dumps(content, indent=1))
    sys.stdout.write(f"\n{rendered(run.results, names)}\n\n")
    for line in wrong:
        _say(f"FAILED {line}")
    _say(f"{'FAILED' if wrong else 'every bar is met'}; seed {run.seed}; {path}")
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(f"chaos: {text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.brokers", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few faults of each kind: 5 minutes")
    parser.add_argument("--seed", type=int, help="repeat a run, or go on with it; default: drawn")
    parser.add_argument(
        "--state", type=Path, default=_STATE, metavar="DIR", help="where results are kept"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="only rows whose name holds it, such as 'drain' or 'syncpipe / redis'; repeatable",
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was finished before")
    return parser


if __name__ == "__main__":
    sys.exit(main())
