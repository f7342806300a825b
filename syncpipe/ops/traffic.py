"""How fast each target's lanes fill and empty, from looks at them that follow each other.

Workers count what they finish for each target, in what they announce. What came in meanwhile is
what was finished and what waits more than before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from syncpipe.transport.broker import WorkerInfo

#: Counter of the envelopes that a worker has finished, before the name of their target.
ENVELOPES = "envelopes:"
#: The same for operations with an outcome.
OPERATIONS = "operations:"
#: The same for operations that went into the write of a newer one: each has saved a write.
SAVED = "saved:"
#: How many operations a batch holds at most for now, and how many batches of the target run at
#: once, before its name.
BATCH_OPERATIONS = "batch_operations:"
BATCHES = "batches:"


@dataclass(frozen=True, slots=True)
class Rates:
    """What goes through one target's lanes; None where two looks do not tell."""

    #: Envelopes a second that arrive.
    arriving: float | None = None
    #: Envelopes a second that are finished.
    finished: float | None = None
    #: Operations a second that get an outcome.
    operations: float | None = None
    #: Writes of the target a second that folding saves.
    saved: float | None = None

    def drain_s(self, depth: int) -> float | None:
        """Return the seconds until *depth* envelopes are finished at these rates; None: never."""
        if self.arriving is None or self.finished is None or self.finished <= self.arriving:
            return None
        return depth / (self.finished - self.arriving)


#: Nothing is known.
UNKNOWN = Rates()


@dataclass(frozen=True, slots=True)
class Look:
    """What is counted for one target at one moment."""

    #: Seconds of a clock that never goes back.
    at_s: float
    #: Envelopes that are not done.
    depth: int
    #: Envelopes and operations that each worker process has finished, and the writes it has saved,
    #: by its name and start.
    envelopes: Mapping[tuple[str, int], int]
    operations: Mapping[tuple[str, int], int]
    saved: Mapping[tuple[str, int], int]


def look(target: str, depth: int, workers: Iterable[WorkerInfo], at_s: float) -> Look:
    """Return what *workers* have counted for *target*, of which *depth* envelopes are not done."""
    counters = {(each.name, each.started_ms): each.counters for each in workers}

    def counted(counter: str) -> Mapping[tuple[str, int], int]:
        return {process: found.get(counter + target, 0) for process, found in counters.items()}

    return Look(at_s, depth, counted(ENVELOPES), counted(OPERATIONS), counted(SAVED))


def rates(looks: Sequence[Look]) -> Rates:
    """Return the rates between the first and the last of *looks*."""
    if len(looks) < 2 or looks[-1].at_s <= looks[0].at_s:  # noqa: PLR2004 -- a first and a last
        return UNKNOWN
    first, last = looks[0], looks[-1]
    seconds = last.at_s - first.at_s
    finished = _grown(first.envelopes, last.envelopes)
    operations = _grown(first.operations, last.operations)
    saved = _grown(first.saved, last.saved)
    arrived = max(0, finished + last.depth - first.depth)
    return Rates(arrived / seconds, finished / seconds, operations / seconds, saved / seconds)


def _grown(before: Mapping[tuple[str, int], int], now: Mapping[tuple[str, int], int]) -> int:
    """Return by how much counters have grown; one that was not there begins at nothing."""
    return sum(max(0, number - before.get(process, 0)) for process, number in now.items())
