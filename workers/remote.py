"""Celery's remote commands to consume a queue, and to leave it: what Flower's buttons send.

They take the place of Celery's own, which say that all is well before they have looked.
"""

from __future__ import annotations

from typing import Any

from celery.worker.control import control_command, nok, ok

from syncpipe.errors import SyncpipeError


@control_command(name="add_consumer", args=[("queue", str)], signature="<queue>")  # type: ignore[untyped-decorator, unused-ignore]
def add_consumer(state: Any, queue: str, **_: Any) -> Any:
    """Consume the queue of a lane, whoever it is assigned to."""
    try:
        state.consumer.add_task_queue(queue)
    except SyncpipeError as error:
        return nok(str(error))
    return ok(f"add consumer {queue}")


@control_command(name="cancel_consumer", args=[("queue", str)], signature="<queue>")  # type: ignore[untyped-decorator, unused-ignore]
def cancel_consumer(state: Any, queue: str, **_: Any) -> Any:
    """Leave the queue of a lane that was added."""
    try:
        assigned = state.consumer.cancel_task_queue(queue)
    except SyncpipeError as error:
        return nok(str(error))
    if assigned:
        return nok(
            f"{queue} is assigned to this process, and nobody else would consume it. Others take "
            "it over when the process ends."
        )
    return ok(f"no longer consuming from {queue}")
