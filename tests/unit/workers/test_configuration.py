from __future__ import annotations

from syncpipe import app as wiring
from syncpipe.pipeline import WorkerOptions
from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from workers.configuration import celery_app
from workers.task import NAME

SETTINGS = Settings(
    shards=2,
    targets={"crm": PostgresOptions(name="crm", dsn="")},
    worker=WorkerOptions(threads=3, prefetch=64),
)


def test_workers_consume_the_lanes_and_nothing_else():
    app = celery_app(wiring.build(SETTINGS))
    names = {queue.name for queue in app.conf.task_queues}
    assert len(names) == 8
    assert all(name.startswith("sp.crm.") for name in names)
    assert app.conf.task_create_missing_queues is False


def test_at_least_as_many_envelopes_are_prefetched_as_asked_for():
    conf = celery_app(wiring.build(SETTINGS)).conf
    prefetched = conf.worker_concurrency * conf.worker_prefetch_multiplier
    assert 64 <= prefetched < 64 + 3
    assert conf.worker_eta_task_limit >= prefetched + 64


def test_nothing_is_acknowledged_by_celery_itself():
    conf = celery_app(wiring.build(SETTINGS)).conf
    assert conf.task_acks_late
    assert not conf.task_acks_on_failure
    assert not conf.task_acks_on_timeout
    assert conf.task_reject_on_worker_lost


def test_no_setting_is_unknown_to_celery():
    app = celery_app(wiring.build(SETTINGS))
    app.finalize()
    known = set(app.conf.defaults[-1])
    assert app.conf.changes.keys() - known <= {"deprecated_settings"}


def test_the_task_has_our_strategy():
    task = celery_app(wiring.build(SETTINGS)).tasks[NAME]
    assert task.Strategy == "workers.strategy:batching"
    assert task.acks_late
