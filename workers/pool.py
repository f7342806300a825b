"""The threads that apply batches."""

from __future__ import annotations

from celery.concurrency.thread import TaskPool as StockPool


class TaskPool(StockPool):  # type: ignore[misc, unused-ignore]
    """Celery's pool of threads, which does not wait at the end: draining has done that, bounded."""

    def on_stop(self) -> None:
        """Start nothing more, and wait for nothing."""
        self.executor.shutdown(wait=False, cancel_futures=True)
