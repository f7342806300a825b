"""Which system runs under which workload, in which form, in the order of one round. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from syncpipe.bench.cells import CELLS
from tests.benchmarks.systems import PEERS

#: Rounds of the full form: every cell is measured so often, in turns.
ROUNDS = 3
#: Cells whose numbers of operations are so large that once will do.
_ONCE = {"drain"}
#: What the short form leaves out of ours, because it takes long and shows nothing by itself.
_LONG = {("hot", "limit"), ("hot", "raw"), ("wide", "limit"), ("wide", "raw")}
#: Peers that take part in other workloads than distinct, and in the short form.
_PER_RECORD, _CHUNKS = "celery_task_per_record", "celery_chunks"
_GUARDED = f"{_CHUNKS}_guarded"
_PEER_WORKLOADS = {
    "distinct": [peer.name for peer in PEERS],
    "hot": [_PER_RECORD, _CHUNKS, _GUARDED],
    "single": [_PER_RECORD],
    "wide": [_CHUNKS, _GUARDED],
}
_SHORT_PEERS = {("distinct", _PER_RECORD), ("distinct", _GUARDED), ("single", _PER_RECORD)}


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement."""

    workload: str
    system: str
    #: Which of the rounds it belongs to, from 1.
    round: int

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.workload} / {self.system} / {self.round}"


def cells(*, short: bool, rounds: int = ROUNDS) -> list[Cell]:
    """Return all cells, round by round, so that what disturbs the machine disturbs everybody."""
    workloads = list(dict.fromkeys(workload for workload, _ in CELLS))
    pairs = [
        (workload, system)
        for workload in workloads
        for system in (
            *(system for each, system in CELLS if each == workload),
            *_PEER_WORKLOADS.get(workload, ()),
        )
    ]
    if short:
        pairs = [
            pair for pair in pairs if (pair in CELLS and pair not in _LONG) or pair in _SHORT_PEERS
        ]
    return [
        Cell(workload, system, number)
        for number in range(1, 2 if short else rounds + 1)
        for workload, system in pairs
        if number == 1 or workload not in _ONCE
    ]
