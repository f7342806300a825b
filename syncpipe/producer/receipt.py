"""What a caller holds of an operation that was accepted."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import msgspec

from syncpipe.errors import DeliveryTimeout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.condition import Condition

    #: Called once, with the receipt and the error, None if the operation is confirmed.
    Listener = Callable[["Receipt", "SyncpipeError | None"], object]


class Lobby(msgspec.Struct, frozen=True, gc=False):
    """Where threads wait for receipts; garbage collection does not look into it.

    It leads back to no receipt. A receipt that holds nothing that garbage collection looks into is
    left out of it, too, as long as that is so; and there may be very many.
    """

    #: Notified when receipts are settled.
    condition: Condition


class Receipt(msgspec.Struct, eq=False, weakref=True):
    """An operation's receipt: settled when the broker has every target's copy, or it is given up.

    ``receipt.wait()`` waits in a thread, ``await receipt`` in an event loop. A struct, because
    there are very many.
    """

    #: UUIDv7, 16 bytes; see `id`.
    _operation_id: bytes
    #: Version of the operation.
    version: int
    #: The queues it was sent to, one for each target.
    queues: tuple[str, ...]
    _lobby: Lobby
    _listeners: tuple[Listener, ...] = ()
    _settled: bool = False
    _error: SyncpipeError | None = None

    @property
    def id(self) -> str:
        """Id of the operation, the same for all its targets and repeats."""
        return str(uuid.UUID(bytes=self._operation_id))

    @property
    def confirmed(self) -> bool:
        """Whether the broker has every copy."""
        return self._settled and self._error is None

    @property
    def error(self) -> SyncpipeError | None:
        """Why the operation is given up, None while it is not."""
        return self._error

    def wait(self, timeout_s: float | None = None) -> Receipt:
        """Return the receipt once it is confirmed; wait *timeout_s* seconds at most.

        Raises:
            SendError: the operation was given up.
            DeliveryTimeout: it is not settled yet; waiting again is fine.

        """
        if not self._settled:
            with self._lobby.condition.lock:
                if not self._lobby.condition.wait_for(lambda: self._settled, timeout_s):
                    raise DeliveryTimeout(
                        f"Not confirmed after {timeout_s} s of waiting.",
                        operation_id=self.id,
                        version=self.version,
                    )
        return self._outcome()

    def listen(self, listener: Listener) -> None:
        """Call *listener* once the receipt is settled, at once if it is."""
        if not self._settled:
            with self._lobby.condition.lock:
                if not self._settled:
                    self._listeners += (listener,)
                    return
        listener(self, self._error)

    def settle(self, error: SyncpipeError | None) -> None:
        """Settle the receipt, with the lock of its lobby held; its listeners are yet to be told."""
        self._error = error
        self._settled = True

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def take_listener(self) -> Listener | None:
        """Return one more listener to be told, with the lock held; None if there is none."""
        if not self._settled or not self._listeners:
            return None
        listener, *others = self._listeners
        self._listeners = tuple(others)
        return listener

    def __await__(self) -> Generator[Any, None, Receipt]:
        """Wait without blocking the event loop; see `wait`."""
        return self._settlement().__await__()

    def __repr__(self) -> str:
        """Show id, version and state."""
        state = "waiting" if not self._settled else self._error or "confirmed"
        return f"<Receipt {self.id} version {self.version}: {state}>"

    async def _settlement(self) -> Receipt:
        loop = asyncio.get_running_loop()
        settled = asyncio.Event()
        self.listen(lambda *_: loop.call_soon_threadsafe(settled.set))
        await settled.wait()
        return self._outcome()

    def _outcome(self) -> Receipt:
        if self._error is not None:
            raise self._error
        return self
