from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.exceptions import WorkerShutdown
from celery.worker import state
from celery.worker.control import Panel

from syncpipe.core.routing import DEAD_QUEUE
from syncpipe.errors import QueueMissing, UnknownTarget
from syncpipe.transport.dialect import dialect_of
from tests.unit.workers.deliveries import Delivery
from workers import consumer as module
from workers.consumer import Consumer
from workers.subscriptions import Subscriptions

MINE, OTHERS, OLD = "sp.crm.0.low", "sp.crm.1.low", "sp.crm.0.low.v0"


class Batcher:
    def __init__(self):
        self.added = []

    def add(self, delivery, fault):
        self.added.append((delivery, fault))


@pytest.mark.parametrize(
    ("meet", "reason"),
    [
        (lambda c, m: c.on_decode_error(m, ValueError("secret")), "decoded: ValueError"),
        (lambda c, m: c.on_unknown_message(None, m), "not a Celery task"),
        (lambda c, m: c.on_unknown_task(None, m, KeyError("x")), "the task 'other'"),
        (lambda c, m: c.on_invalid_task(None, m, ValueError("secret")), "refuses .*: ValueError"),
    ],
)
def test_what_celery_would_drop_goes_to_the_pipeline_with_the_reason(meet, reason):
    consumer = object.__new__(Consumer)
    consumer.batcher = Batcher()
    delivery = Delivery(b"raw", headers={"task": "other"})
    meet(consumer, delivery)
    ((added, fault),) = consumer.batcher.added
    assert added is delivery
    assert fault.code == "SP-E301"
    assert delivery.fate is None
    with pytest.raises(type(fault), match=reason):
        raise fault
    assert "secret" not in str(fault)


def test_what_comes_from_the_queue_of_dead_letters_is_recorded_whatever_it_is():
    consumer = object.__new__(Consumer)
    consumer.batcher, recorded = Batcher(), []
    consumer.recorder = SimpleNamespace(add=recorded.append)
    station = SimpleNamespace(subscriptions=Subscriptions(dialect_of("redis://")))
    consumer.controller = SimpleNamespace(station=station)
    letter, stray = Delivery(b"x", queue=DEAD_QUEUE), Delivery(b"x")
    consumer.on_unknown_message(None, letter)
    consumer.take(letter)
    consumer.take(stray)
    assert recorded == [letter, letter]
    assert consumer.batcher.added == [(stray, None)]


class Station:
    """A station whose broker has three queues, of which one is assigned to this process."""

    def __init__(self):
        self.pipelines = {"crm": None}
        self.broker = SimpleNamespace(missing=lambda names: sorted({*names} - {MINE, OTHERS, OLD}))
        self.subscriptions = Subscriptions(dialect_of("amqp://"))
        self.assignment = SimpleNamespace(queues={MINE: "crm"})
        self.subscriptions.assign(self.assignment.queues)
        self.said = []

    def say(self, event, *, queue):
        self.said.append((event, queue))


@pytest.fixture
def station():
    return Station()


@pytest.fixture
def consumer(station):
    consumer = object.__new__(Consumer)
    consumer.controller = SimpleNamespace(station=station)
    consumer.call_soon = lambda action: action()
    return consumer


@pytest.fixture
def control(consumer):
    """Sends a remote command."""
    return lambda name, queue: Panel.data[name](SimpleNamespace(consumer=consumer), queue=queue)


@pytest.mark.parametrize("added", [OTHERS, f"{OTHERS}.v1"])
@pytest.mark.parametrize("cancelled", [OTHERS, f"{OTHERS}.v1"])
def test_a_lane_is_added_and_cancelled_by_either_name(station, control, added, cancelled):
    assert control("add_consumer", added) == {"ok": f"add consumer {added}"}
    assert control("add_consumer", cancelled) == {"ok": f"add consumer {cancelled}"}
    assert station.subscriptions.wanted == {f"{MINE}.v1", f"{OTHERS}.v1"}
    assert control("cancel_consumer", cancelled) == {"ok": f"no longer consuming from {cancelled}"}
    assert station.subscriptions.wanted == {f"{MINE}.v1"}
    assert station.said == [("queue-added", OTHERS)] * 2 + [("queue-left", OTHERS)]


def test_a_queue_of_another_version_of_the_topology_can_be_added(station, consumer):
    consumer.add_task_queue(OLD)
    assert station.subscriptions.wanted == {f"{MINE}.v1", OLD}


def test_what_is_assigned_is_not_given_up(station, control):
    control("add_consumer", MINE)
    for name in (MINE, f"{MINE}.v1"):
        assert f"{name} is assigned to this process" in control("cancel_consumer", name)["error"]
    assert station.subscriptions.wanted == {f"{MINE}.v1"}


def test_what_was_added_is_forgotten_with_the_connection(station, consumer):
    consumer.add_task_queue(OTHERS)
    station.subscriptions.disconnect()
    assert station.subscriptions.wanted == {f"{MINE}.v1"}


@pytest.mark.parametrize(
    ("queue", "error"),
    [
        ("celery", UnknownTarget),
        ("sp.dead", UnknownTarget),
        ("sp.dead.v1", UnknownTarget),
        ("sp.erp.0.low", UnknownTarget),
        ("", UnknownTarget),
        ("sp.crm.99.low", QueueMissing),
    ],
)
def test_what_is_no_lane_of_ours_is_refused_with_the_reason(
    station, consumer, control, queue, error
):
    with pytest.raises(error):
        consumer.add_task_queue(queue)
    assert control("add_consumer", queue)["error"].startswith(error.code)
    assert station.subscriptions.wanted == {f"{MINE}.v1"}
    if error is UnknownTarget:
        assert control("cancel_consumer", queue)["error"].startswith(error.code)


class Refused(Exception):
    """What a broker says that is there."""


class Broker:
    """kombu's connection to a broker that fails in some ways before it lets us connect."""

    recoverable_connection_errors = (OSError,)
    connection_errors = (OSError,)
    channel_errors = (Refused,)

    def __init__(self, *failures):
        self._failures = list(failures)

    def ensure_connection(self, *, max_retries, reraise_as_library_errors):
        assert (max_retries, reraise_as_library_errors) == (0, False)
        if self._failures:
            raise self._failures.pop(0)
        return self


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (OSError(), [0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0]),
        (Refused(), [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]),
    ],
)
def test_it_connects_in_the_end_with_pauses_that_grow(monkeypatch, error, pauses):
    paused = []
    monkeypatch.setattr(module, "_pause", paused.append)
    broker = Broker(*[error] * len(pauses))
    assert object.__new__(Consumer).ensure_connected(broker) is broker
    assert paused == pytest.approx(pauses)


def test_who_is_told_to_end_tries_no_more(monkeypatch):
    monkeypatch.setattr(state, "should_stop", 0)
    with pytest.raises(WorkerShutdown):
        module._pause(3600)
    with pytest.raises(WorkerShutdown):
        object.__new__(Consumer).ensure_connected(Broker())
