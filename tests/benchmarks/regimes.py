"""Targets that take time by a formula, for `tests.benchmarks.adaptive`. Pure."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncpipe.errors import TargetError, TargetThrottled
from syncpipe.pipeline import Done, Later, Report, Verdict
from syncpipe.pipeline.effort import Effort
from syncpipe.pipeline.isolation import MOST_TOGETHER

if TYPE_CHECKING:
    from random import Random

#: How often a call that meets a conflict is tried together before its records are tried alone.
_TRIES = 5
#: The pause before a call is tried again, seconds.
_PAUSE_S = 0.05
_THROTTLED = TargetThrottled("Too many.")


@dataclass(frozen=True)
class Regime:
    """What a target is like for a while."""

    #: Seconds of a call, whatever it holds, and for each operation in it.
    call_s: float
    operation_s: float
    #: By how much of its time a call is slower for each other one that runs.
    contention: float = 0.0
    #: Operations above which a call is throttled.
    most: float = math.inf
    #: Calls at once above which one is throttled.
    at_once: float = math.inf
    #: The chance of an operation to meet a deadlock or a serialization failure in a call.
    conflicts: float = 0.0
    #: The chance of an operation to meet a record that somebody else has locked for so long that
    #: the records of the call are tried alone after `lock_s` seconds.
    locked: float = 0.0
    #: The chance that another batch which runs has locked it for so long, for each of them.
    rivalry: float = 0.0
    lock_s: float = 5.0

    def call(self, operations: int, running: int) -> float:
        """Return the seconds of a call that nothing disturbs."""
        seconds = self.call_s + operations * self.operation_s
        return seconds * (1 + self.contention * (running - 1))


@dataclass
class Course:
    """What became of one batch."""

    seconds: float = 0.0
    taken: int = 0
    effort: Effort = field(default_factory=Effort)
    outage: TargetError | None = None


def course(regime: Regime, operations: int, together: int, running: int, random: Random) -> Course:
    """Return what becomes of a batch, with so many operations *together* in a call."""
    batch, size = Course(), min(together, MOST_TOGETHER)
    while batch.taken < operations:
        part = min(size, operations - batch.taken)
        if part > regime.most or running > regime.at_once:
            batch.seconds += regime.call_s
            batch.outage = _THROTTLED
            break
        for attempt in itertools.count(1):
            batch.seconds += regime.call(part, running)
            if random.random() < (1 - regime.conflicts) ** part or attempt == _TRIES:
                break
            batch.effort.busy += 1
            batch.seconds += _PAUSE_S * random.random() * 2**attempt
        meets = min(1.0, regime.locked + regime.rivalry * (running - 1))
        if random.random() > (1 - meets) ** part:
            batch.effort.busy += 1
            batch.seconds += regime.lock_s + part * regime.call(1, running)
        batch.taken += part
    return batch


def report(batch: Course, messages: int) -> Report:
    """Return what a pipeline says of a batch of so many *messages*, equally large."""
    later = Later(1.0, counted=False)
    verdict: Verdict = later if batch.outage else Done()
    return Report(
        verdicts=(verdict,) * messages,
        counts={},
        spent_ms={"apply": 1000 * batch.seconds},
        committed_ms=None,
        latency_ms={},
        outage=batch.outage,
        asked=True,
        took=batch.taken > 0,
        effort=batch.effort,
    )
