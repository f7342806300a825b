"""Celery's consumer, which keeps what Celery would drop, and reconnects soon."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from celery.worker.consumer import Consumer as StockConsumer

from syncpipe.errors import NotAnEnvelope

if TYPE_CHECKING:
    from workers.batcher import Batcher


class Consumer(StockConsumer):  # type: ignore[misc, unused-ignore]
    """Sends what Celery would drop through the pipeline, which makes dead letters of it.

    So it is acknowledged only when its raw bytes are safe.
    """

    #: The batcher of the present connection; None before the first.
    batcher: Batcher | None = None

    class Blueprint(StockConsumer.Blueprint):  # type: ignore[misc, unused-ignore]
        """Celery's steps without those that we replace, or have no use for: ETAs."""

        default_steps: ClassVar[list[str]] = [
            step
            for step in StockConsumer.Blueprint.default_steps
            if not step.endswith((":Control", ":DelayedDelivery"))
        ]

    def __init__(self, *args: Any, app: Any, **kwargs: Any) -> None:
        """Prefetch exactly what *app* was configured for; Celery would round it."""
        kwargs["initial_prefetch_count"] = app.prefetch
        super().__init__(*args, app=app, **kwargs)

    def ensure_connected(self, conn: Any) -> Any:
        """Connect to the broker, trying until it is there."""
        # Celery's pauses grow to half a minute: too long for a broker that was only restarted.
        conn.ensure_connection = functools.partial(
            conn.ensure_connection, interval_start=0.2, interval_step=0.3, interval_max=2
        )
        return super().ensure_connected(conn)

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Keep a message whose body cannot be decoded."""
        self._keep(message, f"The message cannot be decoded: {type(exc).__name__}.")

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002
        """Keep a message that is no Celery task."""
        self._keep(message, "The message is not a Celery task.")

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Keep a message for a task that is not ours."""
        self._keep(message, f"The message is for the task {message.headers.get('task')!r}.")

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:  # noqa: ARG002
        """Keep a message that Celery refuses."""
        self._keep(message, f"Celery refuses the message: {type(exc).__name__}.")

    def _keep(self, message: Any, reason: str) -> None:
        if self.batcher is not None:  # there is one before anything is consumed
            self.batcher.add(message, NotAnEnvelope(reason))
