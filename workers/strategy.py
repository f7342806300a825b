"""What Celery does with a message of our task: it waits for its batch, body unopened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.batcher import Batcher

if TYPE_CHECKING:
    from collections.abc import Callable


def batching(task: Any, app: Any, consumer: Any) -> Callable[..., None]:  # noqa: ARG001
    """Return the handler of one connection; Celery asks for it again after every reconnect."""
    batcher = Batcher(consumer, consumer.controller.station, consumer.batcher)
    consumer.batcher = batcher

    def handle(delivery: Any, *_: Any, **__: Any) -> None:
        batcher.add(delivery)

    return handle
