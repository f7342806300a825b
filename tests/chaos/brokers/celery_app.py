"""A Celery project as one would write it without syncpipe, with the best settings we know."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import Celery
from kombu import Exchange, Queue

from tests.chaos.brokers.ledger import Book

_URL = os.environ["CHAOS_URL"]
_IS_REDIS = _URL.startswith("redis")
#: Work on one message, seconds, as much as the database takes for ours.
_WORK_S = 0.01

_REDIS = {
    # Much shorter than anybody can afford, so that what can come back does so while we wait.
    "visibility_timeout": 10,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "unacked_restore_limit": 200,
    "priority_steps": [0],
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "max_connections": 20,
}
_RABBITMQ = {"confirm_publish": os.environ.get("CHAOS_CONFIRM") == "1"}
_ARGUMENTS = {"x-queue-type": "quorum", "x-delivery-limit": 1000, "x-overflow": "reject-publish"}

app = Celery("chaos", broker=_URL)
app.conf.update(
    broker_channel_error_retry=True,
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_heartbeat=30,
    broker_transport_options=_REDIS if _IS_REDIS else _RABBITMQ,
    task_acks_late=True,
    task_acks_on_failure=False,
    task_acks_on_timeout=False,
    task_create_missing_queues=False,
    task_default_delivery_mode=2,
    task_default_queue="chaos",
    task_ignore_result=True,
    task_queues=[
        Queue(
            "chaos",
            Exchange(""),
            routing_key="chaos",
            queue_arguments=None if _IS_REDIS else _ARGUMENTS,
        )
    ],
    task_reject_on_worker_lost=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_disable_rate_limits=True,
    worker_enable_prefetch_count_reduction=False,
    worker_prefetch_multiplier=16,
)


@app.task(name="chaos.record")
def record(number: int) -> None:
    """Process a message: leave a line that survives, before the message is acknowledged."""
    book = _book()
    worker = os.environ["CHAOS_WORKER"]
    book.write("begin", number, worker, os.getpid())
    time.sleep(_WORK_S)
    book.write("end", number, worker, os.getpid(), sync=True)


def _book() -> Book:
    """Return the book of this process."""
    if not _books:
        _books.append(Book(Path(os.environ["CHAOS_FOLDER"]) / "sink"))
    return _books[0]


_books: list[Book] = []
