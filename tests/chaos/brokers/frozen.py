"""A message sent to an idle worker that is stopped, and then killed before it can look at it."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from celery import Celery

from syncpipe.app import Client
from syncpipe.supervisor import Command
from syncpipe.supervisor.command import spawn
from tests.chaos.brokers.consumer import QUEUE, TRANSPORTS, connected, publish
from tests.chaos.brokers.ledger import Book, Delivery, Fault, count, judge, recovery_s
from tests.chaos.brokers.systems import REPOSITORY
from tests.chaos.processes import is_stopped, stop, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.chaos.brokers.grounds import RedisGround
    from tests.chaos.brokers.ledger import Tally
    from tests.chaos.brokers.systems import Stock, Syncpipe

#: Seconds that a process may take to begin to work.
_START_S = 120.0
#: Seconds for which a message may be on its way before the next trial; at the end, all wait again.
_ARRIVE_S = {"syncpipe": 30.0, "celery": 1.5}
_LAST_S = {"syncpipe": 30.0, "celery": 15.0}
#: Seconds in which Redis notices that a client is gone.
_GONE_S = 5.0
#: How often to try to catch a worker while it waits in Redis.
_TRIES = 50


class Subject(Protocol):
    """A kind of worker that can be frozen."""

    #: Name of the system.
    name: str

    def command(self) -> Command:
        """Return what runs a worker."""
        ...

    def send(self, number: int) -> None:
        """Send a message; returns once it is acknowledged."""
        ...

    def deliveries(self) -> list[Delivery]:
        """Return what was processed so far."""
        ...

    def repeats(self) -> int | None:
        """Return repeats that the deliveries do not show; None where they show all."""
        ...


class Consumers:
    """The smallest consumer, on kombu's own transport or on ours."""

    def __init__(self, name: str, ground: RedisGround, folder: Path) -> None:
        """Consume as the system *name* does."""
        self.name = name
        self._url = ground.fresh()
        self._folder = folder
        self._book = Book(folder / "sink")
        self._connection = connected(name, self._url)
        self._done: list[Delivery] = []

    def command(self) -> Command:
        """Return what runs a consumer."""
        module = "tests.chaos.brokers.consumer"
        return Command(
            name="consumer",
            argv=(sys.executable, "-m", module, self.name, self._url, str(self._folder)),
            cwd=REPOSITORY,
            log=self._folder / "consumer.log",
        )

    def send(self, number: int) -> None:
        """Send through kombu."""
        publish(self._connection, number)

    def deliveries(self) -> list[Delivery]:
        """Return what is in the file."""
        self._done += [Delivery(int(n), by, float(at)) for _, n, by, _, at in self._book.news()]
        return self._done

    def repeats(self) -> None:
        """Return nothing: the file holds every repeat."""


class Workers:
    """Real worker processes: ``python -m workers``, or Celery's."""

    def __init__(self, system: Syncpipe | Stock, send: Callable[[int], None]) -> None:
        """Freeze workers of *system*; *send* sends to them."""
        self.name = system.name
        self.send = send
        self.deliveries = system.deliveries
        self.repeats = system.repeats
        self._system = system

    def command(self) -> Command:
        """Return what runs a worker."""
        return self._system.worker("w1")


def client_sender(folder: Path) -> Callable[[int], None]:
    """Return what sends one message through our client and waits for its receipt."""
    client = Client(folder / "syncpipe.toml")

    def send(number: int) -> None:
        client.upsert("messages", str(number), {"n": number}).wait(30)

    return send


def celery_sender(url: str) -> Callable[[int], None]:
    """Return what sends one task to a stock worker, as a stock producer on Redis does."""
    app = Celery("chaos", broker=url)
    app.conf.update(broker_transport=TRANSPORTS["celery"], task_queues=[QUEUE])

    def send(number: int) -> None:
        app.send_task("chaos.record", (number,), queue=QUEUE)

    return send


class Freezer:
    """Carries out trials on one kind of worker."""

    def __init__(self, subject: Subject, ground: RedisGround, folder: Path) -> None:
        """Use *ground*, which nobody else does; write into *folder* what was acknowledged."""
        self._subject = subject
        self._redis = ground.client()
        self._acknowledged = Book(folder / "acknowledged")
        self._sent: set[int] = set()

    def run(self, trials: int) -> Tally:
        """Freeze and kill so many workers, one after the other; judge at the end.

        Every worker but the last is first the heir of the one before it, which proves that
        messages reach it. Raises RuntimeError if not even the first message arrives.
        """
        victim = self._start()
        try:
            self._send(0)
            if not self._arrived({0}, _START_S):
                raise RuntimeError("Not even the first message arrives.")
            faults = []
            for number in range(1, trials + 1):
                proven = self._freeze(victim, number)
                killed = time.time()
                _end(victim)
                until(lambda: not self._is_waiting(), _GONE_S, every_s=0.002)
                victim = self._start()
                faults.append(self._fault(number, killed) if proven else Fault(proven=False))
            self._arrived(self._sent, _LAST_S[self._subject.name])
        finally:
            _end(victim)
        return judge(
            attempted=self._sent,
            acknowledged=self._sent,
            delivered=count(self._subject.deliveries()),
            faults=faults,
            repeats=self._subject.repeats(),
        )

    def _freeze(self, victim: subprocess.Popen[bytes], number: int) -> bool:
        """Stop an idle worker and send to it; return whether it was stopped all the while."""
        for _ in range(_TRIES):
            until(self._is_waiting, 5.0, every_s=0.002)
            if stop(victim.pid) and self._is_waiting():
                self._send(number)
                return is_stopped(victim.pid)
            os.kill(victim.pid, signal.SIGCONT)
            time.sleep(0.01)
        return False

    def _fault(self, number: int, killed: float) -> Fault:
        """Give the message time to arrive; what has not at the end of all trials is lost."""
        self._arrived({number}, _ARRIVE_S[self._subject.name])
        arrived = recovery_s(self._subject.deliveries(), {number}, since=killed)
        return Fault(proven=True, recovery_s=math.inf if arrived is None else arrived)

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a worker, and return once it waits in Redis or has processed what was there."""
        command = self._subject.command()
        before = len(self._subject.deliveries())
        started = spawn(command)
        up = until(
            lambda: self._is_waiting() or len(self._subject.deliveries()) > before,
            _START_S,
            every_s=0.01,
        )
        if not up:
            _end(started)
            raise RuntimeError(f"A worker does not begin to work; see {command.log}.")
        return started

    def _is_waiting(self) -> bool:
        """Tell whether the only worker is blocked in Redis, waiting for the next message."""
        return any("b" in client["flags"] for client in self._redis.client_list())

    def _send(self, number: int) -> None:
        self._subject.send(number)
        self._acknowledged.write(number)
        self._sent.add(number)

    def _arrived(self, numbers: set[int], within_s: float) -> bool:
        return bool(until(lambda: numbers <= set(count(self._subject.deliveries())), within_s))


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
