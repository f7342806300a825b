"""The receipt of `send_many`: counts and faults, in bounded memory."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.errors import DeliveryTimeout
from syncpipe.producer.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from syncpipe.errors import SyncpipeError

#: Faults that a batch receipt keeps; all of them go to ``on_fault``.
MAX_FAULTS = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """One item that was refused, or could not be sent."""

    #: Its place in what was given, from 0.
    index: int
    #: Why; an error of sending holds the operation's id and version.
    error: SyncpipeError


class BatchReceipt:
    """What became of the items of one `send_many`.

    ``receipt.wait()`` waits in a thread, ``await receipt`` in an event loop, until everything that
    was accepted is confirmed or given up. Faults of single items are not raised: look at `faults`.
    """

    def __init__(self, on_fault: Callable[[Fault], object] | None = None) -> None:
        """Start with no items; tell each fault to *on_fault*."""
        #: Place of the item that is being sent, from 0.
        self.index = 0
        #: Items that became operations.
        self.accepted = 0
        #: Items that were refused at once.
        self.rejected = 0
        #: Operations that the broker has.
        self.confirmed = 0
        #: Operations that were given up.
        self.failed = 0
        self._faults: list[Fault] = []
        self._on_fault = on_fault
        self._condition = Condition()
        self._wakers: list[Callable[[], object]] = []

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The first `MAX_FAULTS` faults, as they happened."""
        return tuple(self._faults)

    @property
    def settled(self) -> bool:
        """Whether every accepted operation is confirmed or given up."""
        return self.confirmed + self.failed == self.accepted

    @property
    def ok(self) -> bool:
        """Whether every item is confirmed."""
        return self.settled and not self.failed and not self.rejected

    def wait(self, timeout_s: float | None = None) -> BatchReceipt:
        """Return the receipt once it is settled; wait *timeout_s* seconds at most.

        Raises:
            DeliveryTimeout: it is not settled yet; waiting again is fine.

        """
        with self._condition.lock:
            if not self._condition.wait_for(lambda: self.settled, timeout_s):
                left = self.accepted - self.confirmed - self.failed
                raise DeliveryTimeout(f"{left} operations not settled after {timeout_s} s.")
        return self

    def reject(self, error: SyncpipeError) -> None:
        """Count the item that is being sent as refused."""
        with self._condition.lock:
            self.rejected += 1
        self._report(Fault(self.index, error))

    def confirm(self, count: int, *_: object) -> None:
        """Count so many operations as confirmed."""
        with self._condition.lock:
            self.confirmed += count
            self._wake()

    def fail(self, index: int, error: SyncpipeError, *_: object) -> None:
        """Count the operation of the item *index* as given up."""
        try:
            self._report(Fault(index, error))
        finally:
            with self._condition.lock:
                self.failed += 1
                self._wake()

    def __await__(self) -> Generator[Any, None, BatchReceipt]:
        """Wait without blocking the event loop; see `wait`."""
        return self._settlement().__await__()

    async def _settlement(self) -> BatchReceipt:
        loop = asyncio.get_running_loop()
        while True:
            changed = asyncio.Event()
            with self._condition.lock:
                if self.settled:
                    return self
                self._wakers.append(functools.partial(loop.call_soon_threadsafe, changed.set))
            await changed.wait()

    def _wake(self) -> None:
        """Wake who waits, if all is settled."""
        if self.settled:
            self._condition.notify_all()
            while self._wakers:
                self._wakers.pop()()

    def _report(self, fault: Fault) -> None:
        if len(self._faults) < MAX_FAULTS:
            self._faults.append(fault)
        if self._on_fault is not None:
            self._on_fault(fault)
