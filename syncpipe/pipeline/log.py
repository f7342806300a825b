"""What the pipeline of one target writes into the log: counts and times, never keys or payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import FilteringBoundLogger

    from syncpipe.errors import StoreError, SyncpipeError
    from syncpipe.pipeline.batch import Message
    from syncpipe.pipeline.report import Report


@dataclass(frozen=True, slots=True)
class BatchLog:
    """Writes one line per batch, and of what is odd."""

    #: Where lines go.
    logger: FilteringBoundLogger
    #: Name of the target.
    target: str
    #: Name of the worker process.
    worker: str

    def batch(self, messages: Sequence[Message], report: Report) -> None:
        """Write the line of one batch."""
        self.logger.info(
            "batch",
            worker=self.worker,
            target=self.target,
            envelopes=len(messages),
            operations=sum(report.counts.values()),
            outcomes={outcome.value: count for outcome, count in report.counts.items()},
            ms=dict(report.spent_ms),
            latency_ms=dict(sorted(report.latency_ms.items())),
            committed_ms=report.committed_ms,
        )

    def collection_paused(self, collection: str, error: SyncpipeError) -> None:
        """Say that the operations on *collection* wait, because the target refuses them."""
        self.logger.error(
            "collection-paused",
            worker=self.worker,
            target=self.target,
            collection=collection,
            code=error.code,
            error=str(error),
        )

    def collection_resumed(self, collection: str) -> None:
        """Say that the target takes operations on *collection* again."""
        self.logger.warning(
            "collection-resumed", worker=self.worker, target=self.target, collection=collection
        )

    def without_store(self) -> None:
        """Say that delayed operations are held, because there is nowhere to put them."""
        self.logger.warning("delayed-without-store", worker=self.worker, target=self.target)

    def unknown(self, code: str, operations: int) -> None:
        """Say that the target refused so many operations with a *code* that nobody knows."""
        self.logger.warning(
            "unknown-error",
            worker=self.worker,
            target=self.target,
            code=code,
            operations=operations,
        )

    def store_away(self, error: StoreError) -> None:
        """Say that what is to be tried later waits in the broker."""
        self.logger.error(
            "store-away",
            worker=self.worker,
            target=self.target,
            code=error.code,
            error=str(error),
        )

    def store_back(self) -> None:
        """Say that the schedule takes operations again."""
        self.logger.warning("store-back", worker=self.worker, target=self.target)

    def failed(self, fault: BaseException) -> None:
        """Report a fault of ours, with its trace but without the values in it."""
        self.logger.error(
            "batch-failed",
            worker=self.worker,
            target=self.target,
            error=type(fault).__name__,
            trace=trace_of(fault),
        )


def trace_of(fault: BaseException) -> list[str]:
    """Return where *fault* was raised, innermost last; the message could hold payload."""
    trace, lines = fault.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return lines
