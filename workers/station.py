"""What one worker process holds, from its start to its end."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING, Any

import structlog

from syncpipe.core.outcome import Outcome
from syncpipe.errors import ClockSkew, SendError, TargetError
from syncpipe.transport.broker import WorkerInfo

if TYPE_CHECKING:
    from syncpipe.app import App
    from syncpipe.pipeline import Report
    from syncpipe.targets.target import Target

#: How far this machine's clock may be off a target's, milliseconds.
MAX_SKEW_MS = 5_000
#: Seconds after which a worker that says nothing counts as gone.
PRESENCE_TTL_S = 6.0


class Station:
    """The pipelines of all targets, the lanes they are fed from, and what was counted."""

    def __init__(self, parts: App, name: str, lanes: dict[str, str]) -> None:
        """Prepare the worker process *name*; *lanes* gives the target of each queue it consumes."""
        self.parts = parts
        self.name = name
        self.lanes = lanes
        self.clock = parts.clock
        self.options = parts.settings.worker
        self.pipelines = {target: parts.pipeline(target, name) for target in parts.settings.targets}
        self.broker = parts.broker()
        self.counters = dict.fromkeys(("envelopes", "batches", "running"), 0)
        self.counters |= dict.fromkeys((outcome.value for outcome in Outcome), 0)
        self._started_ms = self.clock.now_ms()
        self._log = structlog.get_logger("syncpipe.workers").bind(worker=name)

    def check_clocks(self) -> None:
        """Compare this machine's clock with every target's that can be reached.

        Raises:
            ClockSkew: one differs by more than `MAX_SKEW_MS`.

        """
        for pipeline in self.pipelines.values():
            skew_ms = self._skew_ms(pipeline.target)
            if abs(skew_ms) > MAX_SKEW_MS:
                direction = "behind" if skew_ms > 0 else "ahead of"
                raise ClockSkew(
                    f"This machine's clock is {abs(skew_ms)} ms {direction} that of target "
                    f"{pipeline.target.name!r}."
                )

    def count(self, report: Report, *, running: int) -> None:
        """Add what a batch did."""
        self.counters["running"] = running
        self.counters["batches"] += 1
        self.counters["envelopes"] += len(report.verdicts)
        for outcome, number in report.counts.items():
            self.counters[outcome.value] += number

    def announce(self) -> None:
        """Say that this process lives."""
        info = WorkerInfo(
            name=self.name,
            pid=os.getpid(),
            host=socket.gethostname(),
            started_ms=self._started_ms,
            seen_ms=self.clock.now_ms(),
            counters=dict(self.counters),
        )
        self.broker.announce(info, ttl_s=PRESENCE_TTL_S)

    def say(self, event: str, **details: Any) -> None:
        """Write a line into the log."""
        self._log.info(event, **details)

    def complain(self, event: str, **details: Any) -> None:
        """Write a line about something that is wrong into the log."""
        self._log.error(event, **details)

    def stop(self) -> None:
        """Cut pauses short, so that running batches end soon."""
        for pipeline in self.pipelines.values():
            pipeline.stop()

    def withdraw(self) -> None:
        """Say that this process lives no more; without a broker it is forgotten by itself."""
        with contextlib.suppress(SendError):
            self.broker.withdraw(self.name)

    def close(self) -> None:
        """Give back all connections."""
        for pipeline in self.pipelines.values():
            pipeline.close()
        self.broker.close()

    def _skew_ms(self, target: Target) -> int:
        """Return how far the target's clock is ahead of ours; 0 while it cannot be asked."""
        before_ms = self.clock.now_ms()
        try:
            target_ms = target.now_ms()
        except TargetError as error:
            self.complain("target-unreachable", target=target.name, code=error.code)
            return 0
        return target_ms - (before_ms + self.clock.now_ms()) // 2
