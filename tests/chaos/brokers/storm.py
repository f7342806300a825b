"""Workers, a producer, and faults among them while they are busy."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from syncpipe.supervisor import Supervisor
from tests.chaos.brokers.ledger import Fault, Numbers, all_back_s, count, judge, recovery_s
from tests.chaos.brokers.systems import WORKERS
from tests.chaos.processes import stop, until

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from tests.chaos.brokers.grounds import RabbitGround, RedisGround
    from tests.chaos.brokers.ledger import Delivery, Tally
    from tests.chaos.brokers.systems import Stock, Syncpipe

#: Seconds after which a recovery counts as one that never comes.
_NEVER_S = 60.0
#: Seconds in which a busy worker must be found.
_SEARCH_S = 30.0


@dataclass
class Storm:
    """One system at work on one broker."""

    #: What works.
    system: Syncpipe | Stock
    #: What it works on.
    ground: RedisGround | RabbitGround
    #: Decides on moments and victims.
    random: random.Random
    #: Keeps workers and producer running.
    supervisor: Supervisor = field(default_factory=Supervisor)

    def __post_init__(self) -> None:
        """Open the producer's books."""
        self._attempted = Numbers(self.system.folder / "attempted")
        self._acknowledged = Numbers(self.system.folder / "acknowledged")

    def run(self, strike: Callable[[Storm], Fault], times: int) -> Tally:
        """Strike so many times while everybody works; judge when all is quiet again.

        Raises:
            RuntimeError: messages do not arrive even before the first fault.

        """
        with self.supervisor:
            self.supervisor.start(*(self.system.worker(name) for name in WORKERS))
            with Supervisor() as sending:
                sending.start(self.system.producer())
                if self._all_back(0, time.time()) == math.inf:
                    raise RuntimeError("Not every worker gets messages even without a fault.")
                faults = [strike(self) for _ in range(times)]
            self._settle()
            delivered = count(self.system.deliveries(whole=True))
        return judge(
            attempted=self._attempted.read(),
            acknowledged=self._acknowledged.read(),
            delivered=delivered,
            faults=faults,
            repeats=self.system.repeats(),
        )

    def kill_worker(self) -> Fault:
        """Kill a worker that is proven to be processing a message."""
        deadline = time.monotonic() + _SEARCH_S
        while time.monotonic() < deadline:
            time.sleep(self.random.uniform(0.05, 0.4))
            name = self.random.choice(WORKERS)
            pid = self.supervisor.pids()[name]
            if pid is None:
                continue
            with suppress(ProcessLookupError):
                if stop(pid) and self.system.is_busy(name, pid):
                    return self._kill(name, pid)
                os.kill(pid, signal.SIGCONT)
        return Fault(proven=False)

    def kill_broker(self) -> Fault:
        """Kill the broker with ``SIGKILL``."""
        return self._strike_broker(signal.SIGKILL)

    def restart_broker(self) -> Fault:
        """End the broker with ``SIGTERM``."""
        return self._strike_broker(signal.SIGTERM)

    def _kill(self, name: str, pid: int) -> Fault:
        """Kill a worker and wait for all that it may have held, then for itself."""
        processed = count(self.system.deliveries())
        pending = self._acknowledged.read() - set(processed)
        killed = time.time()
        os.kill(pid, signal.SIGKILL)
        recovered = self._wait(lambda done: recovery_s(done, pending, since=killed))
        newest = max(self._attempted.read())
        self._wait(lambda done: all_back_s(done, [name], after=newest, since=killed))
        return Fault(proven=True, recovery_s=recovered)

    def _strike_broker(self, signum: int) -> Fault:
        time.sleep(self.random.uniform(0.2, 1.2))
        accepting = self.ground.strike(signum)
        return Fault(proven=True, recovery_s=self._all_back(self._newest(), accepting))

    def _all_back(self, after: int, since: float) -> float:
        return self._wait(lambda done: all_back_s(done, WORKERS, after=after, since=since))

    def _newest(self) -> int:
        return max(self._attempted.read(), default=0)

    def _wait(self, measure: Callable[[list[Delivery]], float | None]) -> float:
        """Return what *measure* says once it says something, infinity if it never does."""
        found: list[float] = []

        def measured() -> bool:
            seconds = measure(self.system.deliveries())
            if seconds is not None:
                found.append(seconds)
            return bool(found)

        until(measured, _NEVER_S, every_s=0.1)
        return found[0] if found else math.inf

    def _settle(self) -> None:
        """Wait until everything acknowledged was processed, or nothing happens any more."""
        pending, quiet_since = -1, time.monotonic()
        while pending and time.monotonic() < quiet_since + self.system.quiet_s:
            time.sleep(0.1)
            done = count(self.system.deliveries(whole=True))
            left = len(self._acknowledged.read() - set(done))
            if left != pending:
                pending, quiet_since = left, time.monotonic()
