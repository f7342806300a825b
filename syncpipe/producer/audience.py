"""Who is told what became of operations: the listeners of receipts, and watchers.

Listeners are called by our own thread (see `turn`), never by one that sends or flushes: its caller
may hold a lock that a listener takes, and a Ctrl-C there must not lose the news of others.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from syncpipe.producer.receipt import Listener
    from syncpipe.producer.ticket import SharedTicket, Ticket

_LOG = logging.getLogger("syncpipe.producer.sender")
#: Operations whose listeners are still to be told, from which on nothing more should be sent.
_CROWD = 10_000


class Audience:
    """Knows whom to tell, and tells. Everything but `watch` and `tell` needs its lock held."""

    def __init__(self, lock: threading.RLock) -> None:
        """Know nobody yet; *lock* is that of the receipts."""
        self._lock = lock
        #: Receipts whose listeners wait to be told. One may be here twice, or before it is settled,
        #: after a Ctrl-C: its listeners stay with it until each is called.
        self._news: deque[Ticket | SharedTicket] = deque()
        self._watchers: list[Callable[[], object]] = []

    @property
    def waiting(self) -> bool:
        """Whether listeners wait to be told."""
        return bool(self._news)

    @property
    def crowded(self) -> bool:
        """Whether so many wait that what is sent should wait for them."""
        return sum(ticket.count for ticket in self._news) > _CROWD

    def watch(self, callback: Callable[[], object]) -> None:
        """Call *callback* once, the next time that there is news; it must not block."""
        with self._lock:
            self._watchers.append(callback)

    def expect(self, ticket: Ticket | SharedTicket) -> None:
        """Have the listeners of *ticket* told, which is settled next."""
        if ticket.heard:
            self._news.append(ticket)

    def wake(self) -> None:
        """Call the watchers."""
        while self._watchers:
            _call(self._watchers.pop(0))

    def tell(self) -> None:
        """Call the listeners that wait, one after the other, without the lock."""
        while (listener := self._next()) is not None:
            _call(*listener)

    def _next(self) -> tuple[Listener, Ticket | SharedTicket, object] | None:
        with self._lock:
            while self._news:
                ticket = self._news[0]
                listener = ticket.take_listener()
                if listener is not None:
                    return listener, ticket, ticket.error
                self._news.popleft()
            return None


def _call(callback: Callable[..., object], *arguments: object) -> None:
    """Call what a caller gave us; what it raises goes to the log and ends nothing of ours.

    That holds for what would end a thread or a task as well: it is not the caller's thread.
    """
    try:
        callback(*arguments)
    except BaseException:  # noqa: BLE001 - a caller's fault must not stop other deliveries
        _LOG.exception("A delivery callback raised.", extra={"arguments": arguments})
