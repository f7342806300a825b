"""The limiters of one process, and how they come by their part of what all processes may do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from syncpipe.errors import SendError
from syncpipe.resilience.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.app import App
    from syncpipe.errors import SyncpipeError
    from syncpipe.transport.broker import Broker

#: Seconds of waiting for which messages are held, rather than returned to the broker.
_HOLD_S = 60.0
_JOB = "quota"


class Limits:
    """The limiters of those targets that have a rate. They belong to the event loop."""

    def __init__(
        self,
        parts: App,
        broker: Broker,
        *,
        fails: Callable[[str, SyncpipeError], None],
        works: Callable[[str], None],
    ) -> None:
        """Share the quotas through *broker*; where it keeps none, each process keeps to a part.

        *fails* and *works* are told, from another thread, how asking goes.
        """
        self._fails, self._works = fails, works
        self._broker = broker
        self._clock = parts.clock
        quotas = {name: parts.settings.guard(name).quota for name in parts.settings.targets}
        self._limiters = {name: Limiter(quota) for name, quota in quotas.items() if quota}
        #: How many processes share the quotas, as far as this one knows.
        self.processes = 1
        #: Until when our own part is spent, where the broker does not count.
        self._spent: dict[str, float] = {}
        # Beside those of the pool: what is to be applied waits for no broker.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="syncpipe-limits")

    def left(self, target: str, *, most: int) -> int:
        """Return how many operations for *target*, *most* at most, may begin now."""
        limiter = self._limiters.get(target)
        return most if limiter is None else min(most, limiter.left(self._clock.monotonic()))

    def affords(
        self, target: str, operations: int, then: Callable[[Callable[[], None]], None]
    ) -> bool:
        """Return whether so many *operations* may begin now; see to it that they may soon.

        *then* gets from another thread what the event loop has to do.
        """
        limiter = self._limiters.get(target)
        if limiter is None:
            return True
        now = self._clock.monotonic()
        if wanted := limiter.wants(now, operations):
            self._thread.submit(self._ask, target, wanted, then)
        return limiter.left(now) >= operations

    def spend(self, target: str, operations: int) -> None:
        """Note that so many *operations* begin."""
        if target in self._limiters:
            self._limiters[target].spend(operations)

    def wakes(self, target: str) -> float | None:
        """Return when more may begin, in monotonic seconds; None if that is not known."""
        wakes = self._limiters[target].wakes() if target in self._limiters else None
        return wakes if wakes is not None and wakes > self._clock.monotonic() else None

    def waits_long(self, target: str) -> bool:
        """Return whether it takes so long until more may begin that messages need not be held."""
        wakes = self.wakes(target)
        return wakes is not None and wakes - self._clock.monotonic() > _HOLD_S

    def close(self) -> None:
        """Ask for nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(
        self, target: str, operations: int, then: Callable[[Callable[[], None]], None]
    ) -> None:
        """Ask the broker, and hand the answer to the event loop; on a thread of its own."""
        try:
            wait_s = self._broker.reserve(target, operations, self._limiters[target].quota)
        except SendError:
            wait_s = None  # others tell of a broker that is away
        except Exception as fault:  # noqa: BLE001 - nobody else would ask again
            wait_s = None
            self._fails(_JOB, SendError(f"The broker cannot tell the quota: {fault!r}."))
        else:
            self._works(_JOB)
        then(lambda: self._granted(target, operations, wait_s))

    def _granted(self, target: str, operations: int, wait_s: float | None) -> None:
        limiter, now = self._limiters[target], self._clock.monotonic()
        if wait_s is None:
            quota = limiter.quota.share(self.processes)
            spent = self._spent.get(target, 0.0)
            self._spent[target], wait_s = quota.reserve(spent, now, operations)
        limiter.granted(now, operations, wait_s)
