from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
from celery.exceptions import CPendingDeprecationWarning

from syncpipe import app as wiring
from syncpipe.errors import BrokerFull
from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from workers import logging, steps
from workers.configuration import celery_app
from workers.consumer import Consumer


@pytest.fixture
def app():
    settings = Settings(targets={"crm": PostgresOptions(name="crm", dsn="")})
    return celery_app(wiring.build(settings))


def test_lanes_are_drained_before_anything_is_stopped_that_needs_an_answer(app):
    """Celery keeps steps in a set, so that only what they require orders them."""
    blueprint = Consumer.Blueprint(steps=app.steps["consumer"])
    blueprint.steps = blueprint.claim_steps()
    order = [step.name.rpartition(".")[2] for step in blueprint._finalize_steps(blueprint.steps)]
    for before in ("Tasks", "Gossip", "Control"):
        assert order.index(before) < order.index("Lanes")


class Station:
    """A station whose broker takes nothing that is told."""

    def __init__(self):
        self.subscriptions = SimpleNamespace(sync=lambda: None)
        self.guards = SimpleNamespace(news=lambda: False)

    def announce(self):
        raise BrokerFull("an alarm")

    def look(self):
        return True


def test_who_cannot_tell_that_it_lives_looks_who_does_all_the_same():
    called = []
    consumer = SimpleNamespace(call_soon=called.append)
    worker = SimpleNamespace(station=Station(), consumer=consumer)
    with pytest.raises(BrokerFull):
        steps._be_present(worker)
    assert called == [worker.station.subscriptions.sync]


class LockedError(Exception):
    reply_code = 405


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (LockedError("RESOURCE_LOCKED"), "Another process is called 'w@h'"),
        (OSError("no rights"), "RabbitMQ refuses it: no rights"),
    ],
)
def test_why_there_is_no_remote_control_is_told_to_people(error, reason):
    assert steps._why_no_control(error, "w@h").startswith(reason)


def test_celerys_advice_is_dropped_after_celery_has_asked_for_it():
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=CPendingDeprecationWarning)
        logging.ignore_advice()
        warnings.warn("one day", CPendingDeprecationWarning, stacklevel=1)
    assert caught == []
