from __future__ import annotations

from dataclasses import replace

import pytest
from celery.utils.quorum_queues import detect_quorum_queues

from syncpipe import app as wiring
from syncpipe.core.routing import Priority
from syncpipe.pipeline import WorkerOptions
from syncpipe.settings import BrokerSettings, Settings
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.transport.broker import DEAD_TASK
from workers.configuration import celery_app
from workers.consumer import Consumer
from workers.recorder import most_extra
from workers.task import NAME

SETTINGS = Settings(
    shards=2,
    targets={"crm": PostgresOptions(name="crm", dsn="")},
    worker=WorkerOptions(threads=3, prefetch=64, queue_prefetch=9),
)


RABBITMQ = replace(SETTINGS, broker=BrokerSettings(url="amqp://"))


@pytest.mark.parametrize(("settings", "suffix"), [(SETTINGS, ""), (RABBITMQ, ".v1")])
def test_celery_knows_the_lanes_and_consumes_none_by_itself(settings, suffix):
    app = celery_app(wiring.build(settings))
    assert set(app.amqp.queues) == {
        f"sp.crm.{shard}.{priority.value}{suffix}" for shard in range(2) for priority in Priority
    }
    assert app.amqp.queues.consume_from == {}
    assert app.conf.task_create_missing_queues is False


@pytest.mark.parametrize(("settings", "quorum"), [(SETTINGS, False), (RABBITMQ, True)])
def test_celery_sees_which_queues_have_a_prefetch_of_their_own(settings, quorum):
    app = celery_app(wiring.build(settings))
    driver = app.connection_for_read().transport.driver_type
    assert detect_quorum_queues(app, driver)[0] is quorum


@pytest.mark.parametrize(("settings", "prefetch"), [(SETTINGS, 64), (RABBITMQ, 9)])
def test_exactly_as_many_envelopes_are_prefetched_as_asked_for(settings, prefetch):
    app = celery_app(wiring.build(settings))
    assert app.prefetch == prefetch
    assert app.conf.worker_eta_task_limit >= prefetch + 64 + most_extra(64)


def test_no_exchanges_for_etas_are_made():
    steps = [step.rpartition(":")[2] for step in Consumer.Blueprint.default_steps]
    assert "Tasks" in steps
    assert "DelayedDelivery" not in steps


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


@pytest.mark.parametrize(("name", "strategy"), [(NAME, "batching"), (DEAD_TASK, "recording")])
def test_each_task_has_our_strategy(name, strategy):
    task = celery_app(wiring.build(SETTINGS)).tasks[name]
    assert task.Strategy == f"workers.strategy:{strategy}"
    assert task.acks_late
