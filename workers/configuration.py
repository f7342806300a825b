"""Celery's settings, from ours. Every one is a decision; docs/workers.md says why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from celery import Celery

import syncpipe.transport.redis  # noqa: F401 - importing it registers the claim transport
from workers import lanes
from workers.steps import Draining, Lanes, Stationing
from workers.task import Apply

if TYPE_CHECKING:
    from syncpipe.app import App
    from syncpipe.settings import Settings


def celery_app(parts: App) -> Celery:
    """Return a Celery app whose workers apply operations with *parts*. Connects to nothing."""
    app = Celery("syncpipe", set_as_current=False)
    app.conf.update(_settings(parts.settings))
    app.conf.task_queues = [lanes.lane_queue(name) for name in lanes.declared(parts.settings)]
    app.register_task(Apply())
    app.steps["worker"].add(Stationing)
    app.steps["consumer"] |= {Draining, Lanes}
    app.syncpipe = parts
    return app


def _settings(settings: Settings) -> dict[str, Any]:
    options = settings.worker
    return {
        "broker_url": settings.broker.url,
        # Connections: never give up, the supervisor and the operator decide that.
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_transport_options": {"priority_steps": [0]},
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_enable_prefetch_count_reduction": False,
        # Nothing is acknowledged, written or sent but by our own code.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": False,
        "task_acks_on_timeout": False,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "task_create_missing_queues": False,
        "task_publish_retry": False,
        "task_send_sent_event": False,
        "task_track_started": False,
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_send_task_events": False,
        # One process, few threads, batches made before them.
        "worker_pool": "workers.pool:TaskPool",
        "worker_concurrency": options.threads,
        "worker_prefetch_multiplier": math.ceil(options.prefetch / options.threads),
        "worker_consumer": "workers.consumer:Consumer",
        "worker_disable_rate_limits": True,
        "worker_eta_task_limit": 2 * options.prefetch + options.threads,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
