"""The sizes of the batches of one process, and what the log and the fleet are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.errors import TargetBusy, TargetError, TargetThrottled
from syncpipe.ops import traffic
from syncpipe.pipeline.isolation import MOST_TOGETHER
from syncpipe.resilience.sizes import End, Run, Sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.app import App
    from syncpipe.pipeline import Report

#: By how many times a size has changed when the log is told.
_MUCH = 4


@dataclass(frozen=True, slots=True)
class Start:
    """How a batch began."""

    #: When, in monotonic seconds.
    at: float
    #: How many operations it holds.
    operations: int
    #: Whether there were operations for a larger one.
    full: bool
    #: Whether its size was chosen here, and its messages are tried for the first time: not what has
    #: failed before, a suspect, or the first call of a target that was left alone.
    ordinary: bool


class Sizing:
    """The sizes of all targets, for the event loop. Other threads may call `counters`."""

    def __init__(self, parts: App, slots: Mapping[str, int], log: Any) -> None:
        """Begin with what is configured, and *slots* batches of each target at once."""
        self._clock = parts.clock
        self._log = log
        most = parts.settings.worker.batch_max_ops
        self._sizes = {
            target: Sizes(
                operations=most,
                batches=number,
                limit_s=parts.settings.guard(target).latency_limit_s,
                call=MOST_TOGETHER,
            )
            for target, number in slots.items()
        }
        self._most = {name: (most, number) for name, number in slots.items()}
        self._told = {name: (each.operations, each.batches) for name, each in self._sizes.items()}

    def __getitem__(self, target: str) -> Sizes:
        """Return the sizes of *target*."""
        return self._sizes[target]

    def ended(
        self, target: str, start: Start, report: Report, *, running: int, waiting: bool
    ) -> None:
        """Learn from a batch of *target*.

        So many as *running* ran when it ended, with itself; *waiting* if there was something for
        another.
        """
        end = _end(report)
        if not start.ordinary:
            if end is End.TAKEN:
                self._sizes[target].takes(start.operations)
            return
        run = Run(
            began=start.at,
            operations=start.operations,
            seconds=report.spent_ms.get("apply", 0.0) / 1000,
            end=end,
            failed=report.effort.busy,
            full=start.full,
            running=running,
            waiting=waiting,
        )
        self._sizes[target].ended(self._clock.monotonic(), run)
        self._tell(target)

    def counters(self) -> dict[str, int]:
        """Return what others are to know."""
        told: dict[str, int] = {}
        for target, sizes in self._sizes.items():
            told[traffic.BATCH_OPERATIONS + target] = sizes.operations
            told[traffic.BATCHES + target] = sizes.batches
        return told

    def _tell(self, target: str) -> None:
        """Tell the log when a size has changed much, or is what it was at first."""
        sizes, told = self._sizes[target], self._told[target]
        now = sizes.operations, sizes.batches
        much = any(
            max(one, other) >= _MUCH * min(one, other) for one, other in zip(now, told, strict=True)
        )
        if now != told and (much or now == self._most[target]):
            self._told[target] = now
            self._log.info("batch-size", target=target, operations=now[0], at_once=now[1])


def _end(report: Report) -> End:
    """Return what a report says about sizes."""
    match report.outage:
        case TargetThrottled():
            return End.THROTTLED
        case TargetBusy():
            return End.TOO_MUCH
        case TargetError():
            return End.DOWN
        case None if report.effort.slow:
            return End.TOO_MUCH
        case None if report.asked and not report.effort.sought:
            return End.TAKEN
    return End.SILENT
