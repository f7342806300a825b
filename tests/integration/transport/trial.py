"""Runs Celery workers of the trial project and reads their traces."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kombu import Connection, Producer

from tests.patience import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[3]
APP = "tests.integration.transport.app"
STOCK = "kombu.transport.redis:Transport"


@dataclass
class Trial:
    """One broker, one trace, and the workers started on them."""

    url: str
    directory: Path
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def trace(self) -> Path:
        """What the tasks leave behind."""
        return self.directory / "trace"

    @property
    def gate(self) -> Path:
        """What gated tasks wait for."""
        return self.directory / "gate"

    @property
    def log(self) -> Path:
        """What the workers say."""
        return self.directory / "log"

    def start(self, *kinds: str) -> list[subprocess.Popen[bytes]]:
        """Start a worker of each kind, and wait until all consume.

        A kind is ``<transport> <pool>``, perhaps with options.
        """
        seen = self.said("ready.")
        started = [self._start(*kind.split()) for kind in kinds or ("claim threads",)]
        self.workers += started
        eventually(lambda: self.said("ready.") >= seen + len(started), within_s=60)
        return started

    def _start(self, transport: str, pool: str, *more: str) -> subprocess.Popen[bytes]:
        options = ["-P", pool, "-c", "2", "-l", "INFO", "-n", f"{transport}-{pool}@trial", *more]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        environment = {
            "TRIAL_BROKER": self.url,
            "TRIAL_GATE": str(self.gate),
            "TRIAL_TRACE": str(self.trace),
            "TRIAL_TRANSPORT": transport,
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", APP, "worker", *options, *quiet],
                cwd=REPOSITORY,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def said(self, text: str) -> int:
        """Return how often the workers have said *text*."""
        return self.log.read_text("utf-8", "replace").count(text) if self.log.exists() else 0

    def send(
        self,
        numbers: range,
        *,
        seconds: float = 0.0,
        gated: bool = False,
        transport: str | None = None,
        priority: int = 0,
    ) -> None:
        """Send one task for each number, as a stock producer does unless told otherwise."""
        with Connection(self.url) as connection:
            connection.transport_cls = transport or STOCK
            producer = Producer(connection)
            for number in numbers:
                producer.publish(
                    ([number, seconds], {"gated": gated}, {}),
                    serializer="json",
                    exchange="",
                    routing_key="trial",
                    priority=priority,
                    headers={"task": "trial.record", "id": str(number), "lang": "py"},
                )

    def counts(self, step: str = "end") -> Counter[int]:
        """Return how often each number has reached a step."""
        if not self.trace.exists():
            return Counter()
        lines = [line.split() for line in self.trace.read_text().splitlines()]
        return Counter(int(line[1]) for line in lines if line[0] == step)

    def workers_at_work(self) -> set[int]:
        """Return the process ids that have begun something."""
        lines = self.trace.read_text().splitlines() if self.trace.exists() else []
        return {int(line.split()[2]) for line in lines}

    def done(self, numbers: range) -> bool:
        """Tell whether all numbers were recorded."""
        return set(numbers) <= set(self.counts())


def kill(worker: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """Signal a worker and everything it started; reap it if it is to die."""
    os.killpg(worker.pid, number)
    if number == signal.SIGKILL:
        worker.wait(120)


@contextmanager
def trial(url: str, directory: Path) -> Iterator[Trial]:
    """Run a trial and leave no worker behind."""
    running = Trial(url, directory)
    try:
        yield running
    finally:
        for worker in running.workers:
            if worker.poll() is None:
                kill(worker)
