"""What starts and stops with the worker."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from celery.platforms import EX_FAILURE, EX_OK
from celery.worker import state
from celery.worker.consumer import Control as StockControl

from syncpipe import app as wiring
from syncpipe.errors import (
    ClockSkew,
    ConfigError,
    QueueMissing,
    SendError,
    StoreError,
    SyncpipeError,
)
from syncpipe.ops import compensating
from syncpipe.ops.horizon import collect
from syncpipe.ops.promoting import Promoting, strangers
from workers import audit, lanes, logging
from workers.flower import Teller
from workers.forgetting import forgetting
from workers.periodic import Periodic
from workers.replaying import replays
from workers.station import Station
from workers.watch import watching

if TYPE_CHECKING:
    from syncpipe.store.groups import Groups

#: Name of the job that is the first to notice what is wrong with the broker.
_PRESENCE = "presence"
#: Seconds between two signs of life and looks at who else lives.
_PRESENCE_S = 0.5
#: Seconds between two looks for missing queues, for lanes nobody declared, and for what the broker
#: has set aside.
_QUEUES_S, _LANES_S, _RECLAIM_S = 10.0, 10.0, 10.0
#: Seconds between two looks for what is due, and for what is scheduled for no target of ours.
_PROMOTE_S, _STRANGERS_S = 0.5, 60.0
#: Seconds between two looks for what is to be undone, and for what dead groups still have waiting.
_COMPENSATE_S, _HASTEN_S = 1.0, 10.0
#: Seconds between two looks at what people want of targets.
_PAUSES_S = 1.0
#: Seconds that the end may take beside draining.
_END_S = 5.0
_FRACTION_BITS = 32
#: What RabbitMQ answers about a queue that belongs to another connection.
_LOCKED = 405


class Stationing(bootsteps.StartStopStep):  # type: ignore[misc, unused-ignore]
    """Gives the worker process its `Station`, and the threads that work beside it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        """Make the station; nothing is connected yet."""
        super().__init__(worker, **options)
        parts = worker.app.syncpipe
        worker.station = Station(parts, worker.hostname, lanes.declared(parts.settings))
        worker.station.teller = Teller(worker.app, worker.hostname, parts.clock)
        self._periodic: list[Periodic] = []

    def start(self, worker: Any) -> None:
        """Check clocks and queues and begin; what is wrong with them ends the process.

        A broker that cannot be asked now is asked again and again.
        """
        station = worker.station
        logging.ignore_advice()
        try:
            compensator = station.parts.compensator()
            station.check_clocks()
            station.require_queues()
            station.look()
        except (ClockSkew, ConfigError, QueueMissing) as error:
            worker.refusal = str(error)
            station.complain("refused-to-start", code=error.code, error=worker.refusal)
            station.close()
            raise SystemExit(wiring.REFUSED) from error
        except SendError as error:
            # Presence will meet it again, and tell when it is over.
            station.troubles.begin(_PRESENCE, error)
            station.complain("broker-unreachable", code=error.code, error=str(error))
        with contextlib.suppress(StoreError):
            station.look_for_pauses()
        station.guards.heed()
        periodic = functools.partial(Periodic, troubles=station.troubles)
        presence = periodic(_PRESENCE, lambda: _be_present(worker), every_s=_PRESENCE_S)
        station.guards.hurry = presence.hurry
        self._periodic = [
            presence,
            periodic("queues", lambda: _check_queues(worker), every_s=_QUEUES_S, first_s=_QUEUES_S),
            periodic("lanes", lambda: _find_lanes(station), every_s=_LANES_S),
            periodic("reclaim", lambda: _reclaim(station), every_s=_RECLAIM_S),
            *_collections(station),
            *_promotions(station),
            *replays(station),
            *_compensations(station, compensator),
            *audit.telling(station),
            *forgetting(station),
            watching(worker),
        ]
        if station.store is not None:
            pauses = periodic("pauses", lambda: _obey(worker), every_s=_PAUSES_S)
            self._periodic.append(pauses)
        for job in self._periodic:
            job.start()

    def close(self, worker: Any) -> None:
        """Leave the lanes to others; see that the end comes in time, whoever does not answer."""
        station = worker.station
        if _hurried():
            _end_within(_END_S, EX_FAILURE)
            return
        station.stop()
        drains = station.withdraw() or station.counters["running"]
        drain_s = station.options.drain_timeout_s if drains else 0.0
        _end_within(drain_s + _END_S, int(worker.exitcode or EX_OK))

    def stop(self, worker: Any) -> None:
        """Withdraw, and give back all connections."""
        for job in self._periodic:
            job.stop()
        worker.station.withdraw()
        worker.station.close()

    terminate = stop


class Control(StockControl):  # type: ignore[misc, unused-ignore]
    """Remote control, without which a worker can do its work.

    RabbitMQ refuses it to a second process of the same name, and to a user without the rights.
    """

    def __init__(self, consumer: Any, **options: Any) -> None:
        """Take the place of what Celery starts."""
        super().__init__(consumer, **options)
        self.start = self._start

    def _start(self, consumer: Any) -> None:
        """Listen for commands, if the broker lets us."""
        try:
            self.box.start(consumer)
        except consumer.channel_errors as error:
            station = consumer.controller.station
            station.warn("no-remote-control", error=_why_no_control(error, station.name))


class Lanes(bootsteps.StartStopStep):  # type: ignore[misc, unused-ignore]
    """Consumes the lanes of this process on every connection, and ends that in good order."""

    # What starts first is stopped last: stopping these needs a broker that answers, draining none.
    requires = ("celery.worker.consumer:Tasks", "celery.worker.consumer:Gossip", Control)

    def start(self, consumer: Any) -> None:
        """Give Celery's new consumer the queues to consume, those that are there."""
        station = consumer.controller.station
        # The connection may have been lost because one was deleted.
        with contextlib.suppress(SendError):
            station.check_queues()
        station.subscriptions.connect(consumer.task_consumer)

    def stop(self, consumer: Any) -> None:
        """Drain, unless only the connection was lost or somebody is in a hurry."""
        station = consumer.controller.station
        if consumer.blueprint.state == bootsteps.CLOSE and not _hurried():
            _drain(consumer, station)
            _end_within(_END_S, int(consumer.controller.exitcode or EX_OK))
            return
        station.subscriptions.disconnect()
        for each in (consumer.batcher, consumer.recorder):
            if each is not None:
                each.retire()


def _why_no_control(error: Exception, name: str) -> str:
    if getattr(error, "reply_code", None) == _LOCKED:
        return (
            f"Another process is called {name!r}, and gets the remote commands for that name. Give "
            "each a name of its own (--name)."
        )
    return f"RabbitMQ refuses it: {error}"


def _drain(consumer: Any, station: Station) -> None:
    """Return what has not begun, and let finish what has, within bounds.

    A connection that is lost, or that ends unanswered, returns everything.
    """
    deadline = station.clock.monotonic() + station.options.drain_timeout_s
    returned = 0
    if station.withdraw():
        with contextlib.suppress(*consumer.connection_errors, *consumer.channel_errors):
            station.subscriptions.cancel()
            returned = consumer.batcher.give_back()
            if consumer.recorder is not None:
                returned += consumer.recorder.give_back()
    left_s = deadline - station.clock.monotonic()
    running = consumer.batcher.drain(left_s, cancelled=_hurried)
    if consumer.recorder is not None:
        left_s = deadline - station.clock.monotonic()
        consumer.recorder.drain(left_s, cancelled=_hurried)
    station.say("drained", returned=returned, unfinished=running)


def _end_within(seconds: float, status: int) -> None:
    """End the process after so many seconds, whatever a broker that does not answer holds up."""
    timer = threading.Timer(seconds, os._exit, (status,))
    timer.daemon = True
    timer.start()


def _hurried() -> bool:
    return state.should_terminate not in {None, False}


def _be_present(worker: Any) -> None:
    """Say that this process lives, see who else does, and consume what is ours then.

    A broker that takes nothing told still delivers, so we look all the same.
    """
    station = worker.station
    try:
        station.announce()
    finally:
        try:
            changed = station.look()
        finally:
            if station.guards.news():
                worker.consumer.call_soon(_heed, worker)
        if changed:
            # On the event loop, which alone may change what is consumed.
            worker.consumer.call_soon(station.subscriptions.sync)


def _obey(worker: Any) -> None:
    """See what people want of targets, and do it."""
    worker.station.look_for_pauses()
    if worker.station.guards.news():
        worker.consumer.call_soon(_heed, worker)


def _heed(worker: Any) -> None:
    """Act on what other processes say of targets, and on who probes them now."""
    worker.station.guards.heed()
    if worker.consumer.batcher is not None:
        worker.consumer.batcher.pump()


def _check_queues(worker: Any) -> None:
    """Leave queues alone that are missing, and consume those that are back."""
    station = worker.station
    if station.check_queues():
        worker.consumer.call_soon(station.subscriptions.sync)


def _find_lanes(station: Station) -> None:
    """Find lanes that hold something though the configuration does not name them."""
    station.assignment.found = lanes.undeclared(
        station.broker.undeclared(station.lanes), station.lanes
    )


def _reclaim(station: Station) -> None:
    """Have the broker deliver again what it has set aside, in one process for all that live."""
    if not station.assignment.leads:
        return
    done = station.broker.reclaim()
    if done.returned or done.left:
        station.warn("reclaimed", messages=done.returned, left=done.left)


def _collections(station: Station) -> list[Periodic]:
    """Return one collecting job for each target, the first time at random: workers take turns."""
    every_s = station.options.collect_interval_s
    return [
        Periodic(
            f"collect-{name}",
            functools.partial(_collect, station, name),
            every_s=every_s,
            first_s=every_s * station.parts.random.bits(_FRACTION_BITS) / 2**_FRACTION_BITS,
            troubles=station.troubles,
        )
        for name in station.pipelines
    ]


def _collect(station: Station, name: str) -> None:
    if not station.guards[name].claims:
        return
    collect(
        station.pipelines[name].target,
        station.parts.collections(name),
        station.broker,
        station.store,
    )


def _promotions(station: Station) -> list[Periodic]:
    """Return the jobs that look after the schedule; none without a store."""
    store, parts = station.store, station.parts
    if store is None:
        return []
    promoting = Promoting(
        store.schedule,
        station.broker,
        targets=list(station.pipelines),
        shards=parts.settings.shards,
        clock=parts.clock,
        random=parts.random,
    )
    told: dict[str, int] = {}

    def look_for_strangers() -> None:
        if station.assignment.leads:
            _tell_strangers(station, strangers(store.schedule, station.pipelines), told)

    periodic = functools.partial(Periodic, troubles=station.troubles)
    return [
        periodic("promote", lambda: _promote(station, promoting), every_s=_PROMOTE_S),
        periodic("strangers", look_for_strangers, every_s=_STRANGERS_S),
    ]


def _promote(station: Station, promoting: Promoting) -> None:
    """Send on what is due; a fault of ours is told, too, and does not end that for good."""
    try:
        sent = promoting.promote()
    except SyncpipeError:
        raise
    except Exception as fault:
        raise StoreError(f"What is due could not be sent on: {type(fault).__name__}.") from fault
    if sent:
        station.say("promoted", operations=sent)


def _compensations(station: Station, compensator: compensating.Compensator) -> list[Periodic]:
    """Return the jobs that look after groups; none without a store."""
    store, parts = station.store, station.parts
    if store is None:
        return []
    groups = store.groups

    def hasten() -> None:
        if station.assignment.leads:
            groups.hasten()

    def forget() -> None:
        if station.assignment.leads:
            compensating.forget(groups, parts.settings.collections)

    periodic = functools.partial(Periodic, troubles=station.troubles)
    every_s = parts.settings.worker.collect_interval_s
    return [
        periodic(
            "compensate", lambda: _compensate(station, groups, compensator), every_s=_COMPENSATE_S
        ),
        periodic("hasten", hasten, every_s=_HASTEN_S, first_s=_HASTEN_S),
        periodic("forget-groups", forget, every_s=every_s, first_s=every_s),
    ]


def _compensate(station: Station, groups: Groups, compensator: compensating.Compensator) -> None:
    """Undo the applied members of dead groups."""
    swept = compensating.sweep(groups, compensator)
    if swept.compensated:
        station.say("compensated", operations=swept.compensated)
    if swept.error is not None:
        station.complain(
            "compensation-failed",
            operations=swept.failed,
            code=swept.error.code,
            error=str(swept.error),
        )


def _tell_strangers(station: Station, found: dict[str, int], told: dict[str, int]) -> None:
    """Say what is scheduled for targets that are not ours, once for each until it is gone."""
    for target in found.keys() - told.keys():
        station.complain("scheduled-for-unknown-target", target=target, operations=found[target])
    told.clear()
    told.update(found)
