"""What starts and stops with the worker."""

from __future__ import annotations

import functools
from typing import Any

from celery import bootsteps
from celery.worker import state

from syncpipe import app as wiring
from syncpipe.errors import ClockSkew
from syncpipe.ops.horizon import collect
from workers import lanes
from workers.periodic import Periodic
from workers.station import Station

#: Seconds between two signs of life, and between two looks for lanes nobody declared.
_PRESENCE_S, _LANES_S = 2.0, 10.0
_FRACTION_BITS = 32


class Stationing(bootsteps.StartStopStep):  # type: ignore[misc, unused-ignore]
    """Gives the worker process its `Station`, and the threads that work beside it."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        """Make the station; nothing is connected yet."""
        super().__init__(worker, **options)
        parts = worker.app.syncpipe
        worker.station = Station(parts, worker.hostname, lanes.declared(parts.settings))
        self._periodic: list[Periodic] = []

    def start(self, worker: Any) -> None:
        """Check the clocks and begin; a clock that is wrong ends the process."""
        station = worker.station
        try:
            station.check_clocks()
        except ClockSkew as error:
            station.complain("refused-to-start", code=error.code, error=str(error))
            station.close()
            raise SystemExit(wiring.REFUSED) from error
        self._periodic = [
            Periodic("presence", station.announce, every_s=_PRESENCE_S),
            Periodic("lanes", lambda: _find_lanes(worker), every_s=_LANES_S),
            *_collections(station),
        ]
        for job in self._periodic:
            job.start()

    def stop(self, worker: Any) -> None:
        """Withdraw, and give back all connections."""
        for job in self._periodic:
            job.stop()
        worker.station.withdraw()
        worker.station.close()

    terminate = stop


class Lanes(bootsteps.StartStopStep):  # type: ignore[misc, unused-ignore]
    """Consumes lanes that were found before the connection to the broker was lost."""

    requires = ("celery.worker.consumer:Tasks",)

    def start(self, consumer: Any) -> None:
        """Consume them again."""
        station = consumer.controller.station
        known = lanes.declared(station.parts.settings)
        if found := [name for name in station.lanes if name not in known]:
            lanes.consume(consumer, found)


class Draining(bootsteps.StartStopStep):  # type: ignore[misc, unused-ignore]
    """Lets batches finish that have begun, within bounds; the broker takes back the rest."""

    requires = ("celery.worker.consumer:Tasks",)

    def stop(self, consumer: Any) -> None:
        """Wait, unless only the connection was lost or somebody is in a hurry."""
        batcher = getattr(consumer, "batcher", None)
        if batcher is None or consumer.blueprint.state != bootsteps.CLOSE or _hurried():
            return
        station = consumer.controller.station
        station.stop()
        running = batcher.drain(station.options.drain_timeout_s, cancelled=_hurried)
        station.say("drained", returned=batcher.held, unfinished=running)


def _hurried() -> bool:
    return state.should_terminate not in {None, False}


def _find_lanes(worker: Any) -> None:
    """Consume lanes that hold something though the configuration does not name them."""
    station = worker.station
    if found := lanes.undeclared(station.broker.queues(), station.lanes):
        worker.consumer.call_soon(_consume, worker, found)


def _consume(worker: Any, found: dict[str, str]) -> None:
    """Consume the lanes *found*; on the event loop, which alone may change what is consumed."""
    worker.station.lanes |= found
    lanes.consume(worker.consumer, found)


def _collections(station: Station) -> list[Periodic]:
    """Return one collecting job for each target, the first time at random: workers take turns."""
    every_s = station.options.collect_interval_s
    return [
        Periodic(
            f"collect-{name}",
            functools.partial(_collect, station, name),
            every_s=every_s,
            first_s=every_s * station.parts.random.bits(_FRACTION_BITS) / 2**_FRACTION_BITS,
        )
        for name in station.pipelines
    ]


def _collect(station: Station, name: str) -> None:
    collect(station.pipelines[name].target, station.parts.collections(name), station.broker)
