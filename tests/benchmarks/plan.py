"""Which system runs under which workload, in which form, in the order of one round. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from syncpipe.bench import plan
from syncpipe.bench.plan import ONCE
from syncpipe.bench.scale import FULL, SHORT
from syncpipe.bench.scaling import SERIES
from tests.benchmarks.systems import PEERS

#: Rounds of the full form: every cell is measured so often, in turns.
ROUNDS = 3
#: Rounds of what no other figure is held against: an hour is not long.
_FEWER = {"mixed": 2, "wide": 2, "producer": 2} | dict.fromkeys(ONCE, 1)
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
#: Seconds that a cell takes on two idle cores, in the full form and in the short one: a peer's, and
#: one of ours where there is nothing better to say.
_PEER_S, _OURS_S = (40.0, 18.0), (25.0, 10.0)
#: The same for those that take longer in the full form.
_LONGER_S = {"drain": 70.0, "trickle": 35.0, "single": 40.0, "backlog": 40.0}
#: Operations of a backlog that are sent, drained and checked in a second.
_LARGE_PER_S = 18_000


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

    def seconds(self, *, short: bool) -> float:
        """Return how long it will take, roughly, without what it needs being installed."""
        if self.system in {peer.name for peer in PEERS}:
            return _PEER_S[short]
        if short:
            return _OURS_S[short]
        usual_s = _LONGER_S.get(self.workload, _OURS_S[short])
        size = int(self.system) if self.workload == "backlog" else 0
        return max(usual_s, size / _LARGE_PER_S)


def cells(*, short: bool, rounds: int = ROUNDS) -> list[Cell]:
    """Return all cells, round by round, so that what disturbs the machine disturbs everybody.

    The series come last: what a run without them has to tell is there sooner.
    """
    ours = plan.cells(SHORT if short else FULL)
    workloads = list(dict.fromkeys(workload for workload, _ in ours))
    pairs = [
        (workload, system)
        for workload in workloads
        for system in (
            *(system for each, system in ours if each == workload),
            *_PEER_WORKLOADS.get(workload, ()),
        )
    ]
    if short:
        pairs = [
            pair for pair in pairs if (pair in ours and pair not in _LONG) or pair in _SHORT_PEERS
        ]
    found = [
        Cell(workload, system, number)
        for number in range(1, 2 if short else rounds + 1)
        for workload, system in pairs
        if number <= _FEWER.get(workload, rounds)
    ]
    return sorted(found, key=lambda cell: cell.workload in SERIES)
