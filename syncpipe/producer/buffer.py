"""The client's buffer: which operations travel together, and when. Pure: time is an argument.

Operations wait in one group per queue, in parcels that each become one envelope. A parcel is due
when its oldest operation has lingered, or when it is full; each round takes one parcel from every
group whose first one is due, so that the order within a queue is kept even when a parcel has to be
put back.

What is taken or late is looked up first and removed after, so that whoever is interrupted in
between has it twice, and not nowhere.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from syncpipe.core.envelope import BLOCKS, ROWS
from syncpipe.producer.accepted import Accepted
from syncpipe.producer.ticket import BlockTicket, Stretch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.accepted import Route
    from syncpipe.producer.many import BatchReceipt
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.ticket import Piece, Reason, SharedTicket, Ticket

#: What a copy occupies in memory beside its bytes, about.
COPY_BYTES = 320
#: Parcels in one round, at most.
_ROUND_PARCELS = 64
#: Bytes after which a round takes no further parcel.
_ROUND_BYTES = 8 * 1024 * 1024


@dataclass(eq=False, slots=True)
class Parcel:
    """Copies of operations that travel in one envelope."""

    #: Where to.
    route: Route
    #: When it is due, unless others go before.
    due_at: float
    #: Whose, in the order of their bytes.
    tickets: list[Ticket | SharedTicket] = field(default_factory=list)
    #: How many operations they are.
    count: int = 0
    #: The bytes of its pieces, one after the other: they are not kept one by one.
    body: bytearray = field(default_factory=bytearray)
    #: Whether nothing may join it any more: it is full, or was tried.
    closed: bool = False
    #: What the last try ended with.
    error: SyncpipeError | None = None

    def close(self, now: float) -> None:
        """Let nothing join any more, and be due *now*."""
        self.closed = True
        self.due_at = min(self.due_at, now)

    @property
    def format(self) -> int:
        """The format of its envelope."""
        blocks = any(isinstance(ticket, BlockTicket) for ticket in self.tickets)
        return BLOCKS if blocks else ROWS

    def pieces(self) -> list[bytes]:
        """Return the bytes of each operation that came alone, and of each block."""
        sizes = itertools.chain.from_iterable(ticket.sizes for ticket in self.tickets)
        return list(self._cut(sizes))

    def late(self, now: float) -> int:
        """Return for how many of the tickets, the first ones, no further try may begin."""
        late = itertools.takewhile(lambda ticket: ticket.try_until < now, self.tickets)
        return sum(1 for _ in late)

    def split(self, number: int) -> tuple[Parcel, Parcel]:
        """Return the copies of the first *number* tickets, and the others."""
        first, others = self.tickets[:number], self.tickets[number:]
        end, count = sum(ticket.size for ticket in first), _count(first)
        return (
            replace(self, tickets=first, count=count, body=self.body[:end]),
            replace(self, tickets=others, count=self.count - count, body=self.body[end:]),
        )

    def give_up(self, reason: Reason) -> None:
        """Note that all copies are given up for that *reason*."""
        pieces = self._cut(ticket.size for ticket in self.tickets)
        for ticket, piece in zip(self.tickets, pieces, strict=True):
            ticket.give_up(reason, piece)

    def _cut(self, sizes: Iterable[int]) -> Iterator[bytes]:
        ends = itertools.accumulate(sizes, initial=0)
        return (bytes(self.body[a:b]) for a, b in itertools.pairwise(ends))


@dataclass(eq=False, slots=True)
class _Group:
    #: At least one, once it is in a buffer. Only the last one may grow.
    parcels: deque[Parcel]
    #: When it is to be tried again, if that is what it waits for: neither fullness nor haste makes
    #: it due then.
    again_at: float | None = None

    @property
    def due_at(self) -> float:
        return self.parcels[0].due_at if self.again_at is None else self.again_at


class Buffer:
    """Unconfirmed operations, waiting or in flight, bounded by bytes."""

    def __init__(self, options: ClientOptions) -> None:
        """Make an empty buffer within *options*."""
        self._linger_s = options.linger_ms / 1000
        self._max_ops = options.batch_max_ops
        self._max_batch_bytes = options.batch_max_bytes
        self._max_bytes = options.buffer_max_bytes
        self._bytes = 0
        #: By queue; there are only those in which something waits.
        self._groups: dict[str, _Group] = {}

    @property
    def bytes(self) -> int:
        """Bytes of unconfirmed copies, with what they occupy beside."""
        return self._bytes

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._groups

    def has_room(self, accepted: Piece) -> bool:
        """Whether all copies of *accepted* fit; an empty buffer takes anything."""
        size = (len(accepted.data) + COPY_BYTES * accepted.count) * len(accepted.routes)
        return not self._bytes or self._bytes + size <= self._max_bytes

    def append(
        self, route: Route, ticket: Ticket | SharedTicket, accepted: Piece, now: float
    ) -> bool:
        """Add a copy of *accepted*; return whether the time of the next round became earlier."""
        group = self._groups.get(route.queue)
        before = math.inf if group is None else group.due_at
        if group is None:
            group = _Group(deque([Parcel(route, now + self._linger_s)]))
            self._groups[route.queue] = group
        parcel = group.parcels[-1]
        count, end = accepted.count, len(parcel.body) + ticket.size
        over = end > self._max_batch_bytes or parcel.count + count > self._max_ops
        if parcel.closed or (over and parcel.tickets):
            parcel.close(now)
            parcel, end = Parcel(route, now + self._linger_s), ticket.size
            group.parcels.append(parcel)
        parcel.body += accepted.data
        parcel.tickets.append(ticket)
        parcel.count += count
        self._bytes += ticket.size + COPY_BYTES * count
        if end >= self._max_batch_bytes or parcel.count >= self._max_ops:
            parcel.close(now)
        return group.due_at < before

    def join(self, batch: BatchReceipt, accepted: Piece, epoch: int, now: float) -> bool:
        """Let an operation of *batch* join the stretch that ends each of its queues.

        Returns False where there is no such stretch, or no time or room left but for one more: what
        makes a parcel full is to be appended. Blocks join nothing.
        """
        if type(accepted) is not Accepted:
            return False
        data, stretch = accepted.data, None
        size = len(data)
        parcels = []
        for queue in accepted.queues:
            group = self._groups.get(queue)
            if group is None:
                return False
            parcel = group.parcels[-1]
            last = parcel.tickets[-1]
            if (
                parcel.closed
                or parcel.count + 1 >= self._max_ops
                or len(parcel.body) + size >= self._max_batch_bytes
                or type(last) is not Stretch
                or (stretch is not None and last is not stretch)
            ):
                return False
            stretch = last
            parcels.append(parcel)
        if (
            stretch is None
            or stretch.batch is not batch
            or stretch.queues != accepted.queues
            or stretch.epoch != epoch
            or stretch.joined_until <= now
        ):
            return False
        for parcel in parcels:
            parcel.body += data
            parcel.count += 1
            self._bytes += size + COPY_BYTES
        stretch.places.append(batch.index)
        stretch.sizes.append(size)
        return True

    def hurry(self, now: float) -> None:
        """Make due what only lingers."""
        for parcel in self.parcels():
            parcel.due_at = min(parcel.due_at, now)

    def due_at(self) -> float | None:
        """Return when something is due, None when nothing waits."""
        return min((group.due_at for group in self._groups.values()), default=None)

    def is_due(self, queues: Iterable[str], now: float) -> bool:
        """Return whether something is due in one of *queues*."""
        groups = (self._groups.get(queue) for queue in queues)
        return any(group is not None and group.due_at <= now for group in groups)

    def is_laden(self, now: float) -> bool:
        """Return whether something is due in most groups."""
        due = sum([group.due_at <= now for group in self._groups.values()])
        return 2 * due > len(self._groups)

    def due(self, now: float) -> list[Parcel]:
        """Return one parcel of each due group, those that waited longest, most urgent first."""
        due = [group for group in self._groups.values() if group.due_at <= now]
        due.sort(key=lambda group: group.due_at)
        parcels: list[Parcel] = []
        taken_bytes = 0
        for group in due[:_ROUND_PARCELS]:
            if taken_bytes >= _ROUND_BYTES:
                break
            group.again_at = None
            parcels.append(group.parcels[0])
            taken_bytes += len(group.parcels[0].body)
        return sorted(parcels, key=lambda parcel: parcel.route.priority.urgency)

    def put_back(self, parcel: Parcel, again_at: float) -> None:
        """Put a parcel that was not confirmed before its group again, to be taken at *again_at*."""
        parcel.closed = True
        group = self._groups.get(parcel.route.queue)
        if group is None:
            self._groups[parcel.route.queue] = _Group(deque([parcel]), again_at)
            return
        group.parcels.appendleft(parcel)
        group.again_at = again_at

    def holds(self, parcel: Parcel) -> bool:
        """Return whether *parcel* waits."""
        group = self._groups.get(parcel.route.queue)
        return group is not None and parcel in group.parcels

    def late(self, now: float) -> list[Parcel]:
        """Return the waiting copies for which no further try may begin."""
        found: list[Parcel] = []
        for group in self._groups.values():
            for parcel in group.parcels:
                if count := parcel.late(now):
                    found.append(parcel.split(count)[0])
                if count < len(parcel.tickets):
                    break
        return found

    def remove(self, parcels: Iterable[Parcel]) -> None:
        """Remove what `due`, `late` or `parcels` has returned."""
        for parcel in parcels:
            queue, count = parcel.route.queue, len(parcel.tickets)
            waiting = self._groups[queue].parcels
            if count < len(waiting[0].tickets):
                waiting[0] = waiting[0].split(count)[1]
            elif len(waiting) > 1:
                waiting.popleft()
            else:
                del self._groups[queue]

    def release(self, copies: Collection[Ticket | SharedTicket]) -> None:
        """Give back the room of *copies*, which are confirmed or given up."""
        # Apart, so that what a signal handler adds in between is not forgotten.
        released = sum([ticket.size for ticket in copies]) + COPY_BYTES * _count(copies)
        self._bytes -= released

    def parcels(self) -> list[Parcel]:
        """Return everything that waits."""
        return [parcel for group in self._groups.values() for parcel in group.parcels]

    def waiting(self) -> list[Ticket | SharedTicket]:
        """Return the ticket of every copy that waits."""
        return [ticket for parcel in self.parcels() for ticket in parcel.tickets]

    def recount(self, flying: Iterable[Ticket | SharedTicket]) -> None:
        """Count again what waits and what is *flying*, after an interruption anywhere."""
        for queue, group in list(self._groups.items()):
            last = group.parcels[-1]
            last.count = _count(last.tickets)
            del last.body[sum(ticket.size for ticket in last.tickets) :]
            if not last.tickets:  # it was made for what has been interrupted
                group.parcels.pop()
            if not group.parcels:
                del self._groups[queue]
        copies = [*flying, *self.waiting()]
        self._bytes = sum(ticket.size for ticket in copies) + COPY_BYTES * _count(copies)


def _count(tickets: Iterable[Ticket | SharedTicket]) -> int:
    """Return how many operations *tickets* are for."""
    return sum([ticket.count for ticket in tickets])
