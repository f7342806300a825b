from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
from celery.exceptions import CPendingDeprecationWarning

from syncpipe import app as wiring
from syncpipe.errors import BrokerFull, CompensationFailed
from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.testing.broker import MemoryBroker
from syncpipe.testing.clock import FakeClock, SeededRandom
from syncpipe.testing.store import MemoryStore
from tests.contract.schedules import entry
from tests.contract.test_groups import G1, G2, letter, member
from workers import logging, steps
from workers.configuration import celery_app
from workers.consumer import Consumer
from workers.troubles import Troubles


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


@pytest.fixture
def station():
    """What the jobs of the schedule see of a station, which leads."""
    clock = FakeClock()
    parts = SimpleNamespace(settings=Settings(shards=2), clock=clock, random=SeededRandom())
    said = []
    return SimpleNamespace(
        parts=parts,
        store=MemoryStore(clock),
        broker=MemoryBroker(clock),
        pipelines={"crm": None},
        troubles=Troubles(),
        assignment=SimpleNamespace(leads=True),
        said=said,
        say=lambda event, **details: said.append((event, details)),
        complain=lambda event, **details: said.append((event, details)),
    )


def test_without_a_store_there_is_nothing_to_promote(station):
    station.store = None
    assert steps._promotions(station) == []


def test_what_is_due_is_promoted_and_told(station):
    promote, _ = steps._promotions(station)
    promote.once()
    assert station.said == []
    station.store.schedule.put([entry(n) for n in range(3)])
    promote.once()
    assert station.said == [("promoted", {"operations": 3})]
    assert all(queue.startswith("sp.crm.") for queue in station.broker.queues())


def test_a_fault_does_not_end_promoting(station):
    promote, _ = steps._promotions(station)
    station.store.schedule.put([entry(1)])
    whole, station.broker.publish = station.broker.publish, None
    promote.once()
    station.broker.publish = whole
    station.parts.clock.advance(20)
    promote.once()
    assert station.said == [("promoted", {"operations": 1})]


def test_what_is_scheduled_for_no_target_of_ours_is_told_once_by_who_leads(station):
    _, strangers = steps._promotions(station)
    station.store.schedule.put([entry(1, target="gone"), entry(2, target="gone"), entry(3)])
    station.assignment.leads = False
    strangers.once()
    assert station.said == []
    station.assignment.leads = True
    for _ in range(3):
        strangers.once()
    told = ("scheduled-for-unknown-target", {"target": "gone", "operations": 2})
    assert station.said == [told]

    lease = station.store.schedule.lease(["gone"], limit=9, max_bytes=999, seconds=9)
    station.store.schedule.remove(lease, lease.operations)
    strangers.once()
    station.store.schedule.put([entry(1, target="gone"), entry(2, target="gone")])
    strangers.once()
    assert station.said == [told, told]


def dead_group(station, number=3):
    """Let a group with so many applied members end dead."""
    station.store.groups.applied([member(n) for n in range(number)])
    station.store.dead_letters.record([letter(99)])


def test_without_a_store_there_is_nothing_to_compensate(station):
    station.store = None
    assert steps._compensations(station, None) == []


def test_what_is_compensated_is_told(station):
    compensate, _, _ = steps._compensations(station, lambda *_: None)
    compensate.once()
    assert station.said == []
    dead_group(station)
    compensate.once()
    assert station.said == [("compensated", {"operations": 3})]


def test_what_cannot_be_compensated_is_told_with_the_reason(station):
    def fails(*_):
        raise CompensationFailed("shop:undo raised KeyError.")

    compensate, _, _ = steps._compensations(station, fails)
    dead_group(station)
    compensate.once()
    ((event, details),) = station.said
    assert (event, details["operations"], details["code"]) == ("compensation-failed", 3, "SP-E608")


def test_who_leads_hastens_and_forgets(station):
    day = 24 * 3600
    _, hasten, forget = steps._compensations(station, None)
    station.store.dead_letters.record([letter(99)])
    waits = entry(1, hours=1, group_id=G1)
    station.store.schedule.put([waits])
    station.store.groups.applied([member(1, G2)])
    station.parts.clock.advance(31 * day)
    station.store.schedule.put([waits])
    station.assignment.leads = False
    hasten.once()
    forget.once()
    assert station.store.schedule.outlook()["crm"].next_s > 0
    assert station.store.groups.counts(G2).entered == 1
    station.assignment.leads = True
    hasten.once()
    forget.once()
    assert station.store.schedule.outlook()["crm"].next_s <= 0
    assert station.store.groups.counts(G2).entered == 0
