"""How workers went through a backlog, read from their logs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.demo.tally import batches_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MS_PER_S = 1000
#: Stages after the commit.
_AFTER_COMMIT = {"settle"}
#: Milliseconds for which all processes have to be at work, and batches that have to end meanwhile,
#: so that there is a rate, or tenths, to speak of.
_LEAST_MS, _LEAST_BATCHES = 300.0, 40
_TENTH = 0.1
#: Halvings of a time: to far less than a millisecond of an hour.
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Ended:
    """One batch."""

    #: Name of its worker process.
    worker: str
    #: When it began and was durable, Unix milliseconds by the target's clock.
    begun_ms: float
    committed_ms: float
    #: Its operations, and the envelopes they came in.
    operations: int
    envelopes: int

    def done(self, at_ms: float) -> float:
        """Return how many of its operations count as done, as if it had worked evenly."""
        part = (at_ms - self.begun_ms) / max(self.committed_ms - self.begun_ms, 1.0)
        return self.operations * min(max(part, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Progress:
    """The batches of all workers."""

    #: In no order.
    batches: tuple[Ended, ...]
    #: Operations by what became of them.
    outcomes: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """Return the seconds from the first batch's beginning to the last commit."""
        begun_ms = min(batch.begun_ms for batch in self.batches)
        return (max(batch.committed_ms for batch in self.batches) - begun_ms) / _MS_PER_S

    @property
    def ops_per_envelope(self) -> float:
        """Return the mean number of operations of an envelope."""
        operations = sum(batch.operations for batch in self.batches)
        return operations / sum(batch.envelopes for batch in self.batches)

    @property
    def rate(self) -> float | None:
        """Return the operations a second while all processes were at work; None: hardly ever.

        They neither begin nor end at the same moment, and one alone has the machine for itself.
        """
        begin, end = self._together()
        if end - begin < _LEAST_MS:
            return None
        return (self._done(end) - self._done(begin)) * _MS_PER_S / (end - begin)

    @property
    def last_tenth_to_first(self) -> float | None:
        """Return how many times as fast the last tenth of these operations was as the first.

        None where there were too few batches to tell.
        """
        begin, end = self._together()
        if sum(begin < batch.committed_ms <= end for batch in self.batches) < _LEAST_BATCHES:
            return None
        first, last = self._done(begin), self._done(end)
        tenth = (last - first) * _TENTH
        first_ms = _when(self._done, first + tenth, begin, end) - begin
        last_ms = end - _when(self._done, last - tenth, begin, end)
        return first_ms / last_ms

    def _together(self) -> tuple[float, float]:
        """Return when the last process began, and when the first had nothing left."""
        begun: dict[str, float] = {}
        ended: dict[str, float] = {}
        for batch in self.batches:
            begun[batch.worker] = min(batch.begun_ms, begun.get(batch.worker, batch.begun_ms))
            ended[batch.worker] = max(batch.committed_ms, ended.get(batch.worker, 0.0))
        return max(begun.values()), min(ended.values())

    def _done(self, at_ms: float) -> float:
        return sum(batch.done(at_ms) for batch in self.batches)


def read_progress(logs: Path) -> Progress:
    """Read the batches from the logs of the directory *logs*."""
    lines = [line for line in batches_in(logs) if line["committed_ms"]]
    outcomes: Counter[str] = Counter()
    for line in lines:
        outcomes.update(line["outcomes"])
    return Progress(tuple(map(_ended, lines)), outcomes)


def _ended(line: Mapping[str, Any]) -> Ended:
    spent = sum(ms for stage, ms in line["ms"].items() if stage not in _AFTER_COMMIT)
    committed_ms = line["committed_ms"]
    return Ended(
        line["worker"], committed_ms - spent, committed_ms, line["operations"], line["envelopes"]
    )


def _when(done: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Return when *done*, which never falls, reaches what is *wanted*, between *low* and *high*."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if done(middle) < wanted else (low, middle)
    return high
