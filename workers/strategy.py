"""What Celery does with a message of our tasks: it waits for its batch, body unopened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.errors import NotAnEnvelope
from workers.batcher import Batcher
from workers.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable


def batching(task: Any, app: Any, consumer: Any) -> Callable[..., None]:  # noqa: ARG001
    """Return the handler of one connection; Celery asks for it again after every reconnect."""
    consumer.batcher = Batcher(consumer, consumer.controller.station, consumer.batcher)

    def handle(delivery: Any, *_: Any, **__: Any) -> None:
        consumer.take(delivery)

    return handle


def recording(task: Any, app: Any, consumer: Any) -> Callable[..., None]:  # noqa: ARG001
    """Return the handler of dead letters, which are taken where there is a store for them."""
    station = consumer.controller.station
    if station.store is not None:
        consumer.recorder = Recorder(consumer, station, station.store, consumer.recorder)

    def handle(delivery: Any, *_: Any, **__: Any) -> None:
        consumer.take(delivery, NotAnEnvelope("The message is a dead letter."))

    return handle
