"""A tiny Celery project, run by the tests with the claim transport or with kombu's own."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery
from kombu import Queue

if os.environ["TRIAL_TRANSPORT"] == "claim":
    import syncpipe.transport.redis  # noqa: F401 - the one line

app = Celery("trial", broker=os.environ["TRIAL_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"liveness_s": 1.5},
    task_acks_late=True,
    task_default_queue="trial",
    task_ignore_result=True,
    task_queues=[Queue("trial", routing_key="trial")],
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_prefetch_multiplier=16,
)


@app.task(name="trial.record")
def record(number: int, seconds: float = 0.0, *, gated: bool = False) -> None:
    """Leave a trace that survives whatever becomes of this process."""
    trace = os.open(Path(os.environ["TRIAL_TRACE"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(trace, f"begin {number} {os.getpid()}\n".encode())
    time.sleep(seconds)
    while gated and not Path(os.environ["TRIAL_GATE"]).exists():
        time.sleep(0.02)
    os.write(trace, f"end {number} {os.getpid()}\n".encode())
    os.close(trace)
