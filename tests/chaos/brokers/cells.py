"""Carries out the cells of the plan, on servers that are started when they are first needed."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from tests.chaos.brokers import drain
from tests.chaos.brokers.frozen import Consumers, Freezer, Workers, celery_sender, client_sender
from tests.chaos.brokers.grounds import RabbitGround, RedisGround
from tests.chaos.brokers.plan import DRAIN, OURS, PUBLISH, STOCK, Kind
from tests.chaos.brokers.storm import Storm
from tests.chaos.brokers.systems import Stock, Syncpipe
from tests.rabbitmq import rabbitmq_server
from tests.servers import postgres_server, redis_server

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.brokers.ledger import Tally
    from tests.chaos.brokers.plan import Cell
    from tests.resumable import Run

_STRIKES = {
    Kind.WORKER_KILL: Storm.kill_worker,
    Kind.BROKER_KILL: Storm.kill_broker,
    Kind.BROKER_RESTART: Storm.restart_broker,
}


class Site:
    """The servers of a run, and a folder for each cell."""

    def __init__(self, run: Run) -> None:
        """Prepare for *run*; start nothing yet."""
        self._run = run
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all servers."""
        self._stack.close()

    def tally(self, cell: Cell) -> dict[str, Any]:
        """Carry out one cell and return its result."""
        folder = self._folder(cell.name)
        frozen = cell.kind in {Kind.FROZEN_CONSUMER, Kind.FROZEN_WORKER}
        return asdict(self._frozen(cell, folder) if frozen else self._storm(cell, folder))

    def race(self, name: str) -> dict[str, Any]:
        """Carry out one benchmark and return its result."""
        races = {
            DRAIN.name: lambda: drain.drain_redis(self._redis, short=self._run.short),
            PUBLISH.name: lambda: drain.publish_rabbitmq(self._rabbitmq, short=self._run.short),
        }
        return races[name]()

    def _frozen(self, cell: Cell, folder: Path) -> Tally:
        times = cell.times(short=self._run.short)
        if cell.kind is Kind.FROZEN_CONSUMER:
            return Freezer(Consumers(cell.system, self._redis, folder), self._redis, folder).run(
                times
            )
        system = self._system(cell, folder)
        try:
            send = client_sender(folder) if cell.system == OURS else celery_sender(system.url)
            return Freezer(Workers(system, send), self._redis, folder).run(times)
        finally:
            system.close()

    def _storm(self, cell: Cell, folder: Path) -> Tally:
        system = self._system(cell, folder)
        try:
            storm = Storm(system, self._ground(cell), self._run.random(cell.name))
            return storm.run(_STRIKES[cell.kind], cell.times(short=self._run.short))
        finally:
            system.close()

    def _system(self, cell: Cell, folder: Path) -> Syncpipe | Stock:
        ground = self._ground(cell)
        if cell.system == OURS:
            return Syncpipe(ground, folder, self._postgres.new_database())
        return Stock(ground, folder, confirm=cell.system == STOCK)

    def _ground(self, cell: Cell) -> RedisGround | RabbitGround:
        return self._redis if cell.broker == "redis" else self._rabbitmq

    @cached_property
    def _redis(self) -> RedisGround:
        return RedisGround(self._stack.enter_context(redis_server(append_fsync="always")))

    @cached_property
    def _rabbitmq(self) -> RabbitGround:
        return RabbitGround(self._stack.enter_context(rabbitmq_server()))

    @cached_property
    def _postgres(self):
        return self._stack.enter_context(postgres_server())

    def _folder(self, name: str) -> Path:
        """Return an empty folder for the logs and books of a cell."""
        folder = self._run.directory / "cells" / name.replace(" / ", "-").replace(" ", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder
