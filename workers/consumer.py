"""Celery's consumer, which keeps what Celery would drop, and reconnects soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from celery.worker.consumer import Consumer as StockConsumer
from celery.worker.state import maybe_shutdown

from syncpipe.core.routing import DEAD_QUEUE, parse_queue
from syncpipe.errors import NotAnEnvelope, QueueMissing, UnknownTarget
from syncpipe.transport.rabbitmq import topology
from workers import remote  # noqa: F401 - importing it registers the commands

if TYPE_CHECKING:
    from syncpipe.errors import SyncpipeError
    from workers.batcher import Batcher
    from workers.recorder import Recorder

#: Seconds between the first two tries to connect; doubles with each further one.
_FIRST_PAUSE_S = 0.2
#: The longest pause while the broker is away, and while it refuses our user or virtual host.
_RESTART_PAUSE_S, _REFUSAL_PAUSE_S = 2.0, 10.0
#: Seconds between two looks at whether we are told to end.
_LOOK_S = 0.1


class _Unpromised:
    """A promise that nobody keeps."""

    def then(self, *_: Any, **__: Any) -> None:
        """Promise nothing either."""


_UNPROMISED = _Unpromised()


class Consumer(StockConsumer):  # type: ignore[misc, unused-ignore]
    """Sends what Celery would drop through the pipeline, which makes dead letters of it.

    So it is acknowledged only when its raw bytes are safe.
    """

    #: The batcher of the present connection; None before the first.
    batcher: Batcher | None = None
    #: The recorder of the present connection; None before the first, and without a store.
    recorder: Recorder | None = None

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
        """Connect to the broker, trying until it lets us.

        The log tells elsewhere why it does not: whoever shows that we live meets the same.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            maybe_shutdown()
            try:
                return conn.ensure_connection(max_retries=0, reraise_as_library_errors=False)
            except conn.recoverable_connection_errors:
                longest_s = _RESTART_PAUSE_S
            except (*conn.connection_errors, *conn.channel_errors):
                longest_s = _REFUSAL_PAUSE_S
            _pause(min(pause_s, longest_s))
            pause_s = min(2 * pause_s, longest_s)

    def create_task_handler(self, promise: Any = None) -> Any:  # noqa: ARG002 - Celery's signature
        """Return what takes each message, without the promises that Celery makes for each.

        They are for acknowledging it, which our batches do.
        """
        return super().create_task_handler(lambda *_, **__: _UNPROMISED)

    def take(self, message: Any, fault: SyncpipeError | None = None) -> None:
        """Bring *message* to whoever works for its queue; *fault* is what an envelope is not."""
        if self.recorder is not None and self._queue_of(message) == DEAD_QUEUE:
            self.recorder.add(message)
        elif self.batcher is not None:  # there is one before anything is consumed
            self.batcher.add(message, fault)

    def add_task_queue(self, queue: str, *_: Any, **__: Any) -> None:
        """Consume the *queue* of a lane too, until that is cancelled or the connection is lost.

        Its name is ours or the broker's; it is never made, nor consumed twice.

        Raises:
            UnknownTarget: it is no lane of a target of ours: whatever is in it would end as dead
                letters.
            QueueMissing: the broker does not have it.
            BrokerUnavailable: the broker cannot be asked.

        """
        station, (name, target) = self.controller.station, self._lane(queue)
        if station.broker.missing([name]):
            raise QueueMissing(f"The broker has no queue {name!r}.")
        station.subscriptions.add(name, target)
        self.call_soon(station.subscriptions.sync)
        station.say("queue-added", queue=name)

    def cancel_task_queue(self, queue: str) -> bool:
        """Consume *queue* no longer only because it was added; return whether it is assigned to us.

        What is assigned stays: nobody else would consume it. Raises UnknownTarget if it is no lane.
        """
        station, (name, _) = self.controller.station, self._lane(queue)
        if station.subscriptions.remove(name):
            self.call_soon(station.subscriptions.sync)
            station.say("queue-left", queue=name)
        return name in station.assignment.queues

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

    def _queue_of(self, message: Any) -> str:
        name: str = self.controller.station.subscriptions.queue_of(message)
        return name

    def _lane(self, queue: str) -> tuple[str, str]:
        """Return our name of a lane's *queue*, and its target."""
        name = topology.logical(queue)
        lane = parse_queue(name)
        if lane is None or lane[0].target not in self.controller.station.pipelines:
            raise UnknownTarget(f"{queue!r} is no lane of a target in the worker's configuration.")
        return name, lane[0].target

    def _keep(self, message: Any, reason: str) -> None:
        self.take(message, NotAnEnvelope(reason))


def _pause(seconds: float) -> None:
    """Sleep, unless the process is told to end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        maybe_shutdown()
        time.sleep(_LOOK_S)
