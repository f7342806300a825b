"""How many operations are not confirmed, and since when: the arithmetic of `flush`. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from syncpipe.producer.ticket import SharedTicket, Ticket


class Mark(NamedTuple):
    """A moment in a client's life, at which a flush began."""

    #: Operations of this epoch and the ones before were accepted earlier.
    epoch: int
    #: How many failures had been reported by then.
    reported: int


class Tally:
    """Counts operations from their acceptance until they are confirmed or have failed.

    A failure is reported by the flushes that wait while it happens, or else by the next one.
    """

    def __init__(self) -> None:
        """Start with nothing accepted."""
        self._epoch = 0
        self._open: Counter[int] = Counter()
        self._failed = 0
        self._reported = 0

    def opened(self, count: int = 1) -> int:
        """Count so many more accepted operations; return their epoch."""
        self._open[self._epoch] += count
        return self._epoch

    def settled(self, epoch: int, count: int, *, failed: int = 0) -> None:
        """Count operations of *epoch* as no longer waiting; so many of them have *failed*."""
        self._failed += failed
        left = self._open[epoch] - count
        if left:
            self._open[epoch] = left
        else:
            del self._open[epoch]

    def ended(self, tickets: Sequence[Ticket | SharedTicket]) -> None:
        """Count the operations of *tickets* as no longer waiting."""
        for epoch in {ticket.epoch for ticket in tickets}:
            ended = [ticket for ticket in tickets if ticket.epoch == epoch]
            count = sum([ticket.count for ticket in ended])
            failed = sum([ticket.count for ticket in ended if ticket.given_up is not None])
            self.settled(epoch, count, failed=failed)

    def recount(self, tickets: Iterable[Ticket | SharedTicket]) -> None:
        """Count as waiting the operations of *tickets*, and no other."""
        self._open = Counter()
        for ticket in tickets:
            self._open[ticket.epoch] += ticket.count

    def mark(self) -> Mark:
        """Return this moment."""
        mark = Mark(self._epoch, self._reported)
        self._epoch += 1
        return mark

    def waiting(self, mark: Mark) -> int:
        """Return how many operations accepted before *mark* are neither confirmed nor failed."""
        return sum(count for epoch, count in self._open.items() if epoch <= mark.epoch)

    def report(self, mark: Mark) -> int:
        """Return how many operations accepted before *mark* are waiting or have failed."""
        self._reported = self._failed
        return self.waiting(mark) + self._failed - mark.reported
