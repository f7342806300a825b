"""Celery's settings, from ours. Every one is a decision; docs/workers.md says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery

import syncpipe.transport.redis  # noqa: F401 - importing it registers the claim transport
from syncpipe.transport.dialect import dialect_of
from workers import lanes
from workers.recorder import most_extra
from workers.steps import Control, Lanes, Stationing
from workers.task import Apply, Record

if TYPE_CHECKING:
    from syncpipe.app import App
    from syncpipe.settings import Settings
    from syncpipe.transport.dialect import Dialect


def celery_app(parts: App) -> Celery:
    """Return a Celery app whose workers apply operations with *parts*. Connects to nothing."""
    app = Celery("syncpipe", set_as_current=False)
    dialect, options = dialect_of(parts.settings.broker.url), parts.settings.worker
    app.conf.update(_settings(parts.settings, dialect))
    # Known to Celery so that it sees what kind they are; what is consumed is up to Subscriptions.
    known = [lanes.lane_queue(name, dialect) for name in lanes.declared(parts.settings)]
    app.conf.task_queues = known
    app.amqp.queues.deselect([queue.name for queue in known])
    app.prefetch = options.queue_prefetch if dialect.prefetch_per_queue else options.prefetch
    app.register_task(Apply())
    app.register_task(Record())
    app.steps["worker"].add(Stationing)
    app.steps["consumer"] |= {Control, Lanes}
    app.syncpipe = parts
    return app


def _settings(settings: Settings, dialect: Dialect) -> dict[str, Any]:
    options = settings.worker
    return {
        "broker_url": settings.broker.url,
        # Connections: never give up, the supervisor and the operator decide that.
        "broker_connection_retry": True,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_transport_options": dict(dialect.transport_options),
        "broker_heartbeat": 30,
        "broker_heartbeat_checkrate": 2,
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
        "worker_detect_quorum_queues": True,
        "worker_consumer": "workers.consumer:Consumer",
        "worker_disable_rate_limits": True,
        # To Celery a bound on what may be prefetched: retries, what is stuck and dead letters too.
        "worker_eta_task_limit": 3 * options.prefetch
        + options.threads
        + most_extra(options.prefetch),
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }
