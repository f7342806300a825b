"""The client's buffer: which operations travel together, and when. Pure: time is an argument.

Operations wait in one group per queue. A group is due when its oldest operation has lingered, or
when it fills an envelope; each round takes one parcel from every due group, so that the order
within a queue is kept even when a parcel has to be put back.

What is taken or late is looked up first and removed after, so that whoever is interrupted in
between has it twice, and not nowhere.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from syncpipe.errors import SyncpipeError
    from syncpipe.producer.intake import Accepted, Route
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.receipt import Receipt

#: What an entry occupies in memory beside its bytes, about.
ENTRY_BYTES = 512
#: Parcels in one round, at most.
_ROUND_PARCELS = 64
#: Bytes after which a round takes no further parcel.
_ROUND_BYTES = 8 * 1024 * 1024


class Ticket(msgspec.Struct, eq=False):
    """An operation on its way: its receipt, and what is still missing."""

    #: What the caller holds.
    receipt: Receipt
    #: Copies that are neither confirmed nor given up.
    missing: int
    #: Epoch of its acceptance, see `tally`.
    epoch: int
    #: Why a copy was given up.
    error: SyncpipeError | None = None


class Entry(msgspec.Struct, eq=False):
    """One copy of an operation, for one queue."""

    #: The operation's bytes.
    data: bytes
    #: The operation.
    ticket: Ticket
    #: Monotonic seconds after which no further try may begin.
    try_until: float
    #: What the last try ended with.
    error: SyncpipeError | None = None

    @property
    def size(self) -> int:
        """Bytes that it occupies."""
        return len(self.data) + ENTRY_BYTES


@dataclass(frozen=True, slots=True)
class Parcel:
    """Entries that travel in one envelope."""

    #: Where to.
    route: Route
    #: At least one.
    entries: tuple[Entry, ...]


class _Group:
    __slots__ = ("data_bytes", "due_at", "entries", "held", "route")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.entries: deque[Entry] = deque()
        self.data_bytes = 0
        self.due_at = 0.0
        #: Whether it waits to be tried again, so that neither fullness nor haste makes it due.
        self.held = False

    def push_front(self, entries: tuple[Entry, ...]) -> None:
        self.entries.extendleft(reversed(entries))
        self.data_bytes += sum(len(entry.data) for entry in entries)


class Buffer:
    """Unconfirmed operations, waiting or in flight, bounded by bytes."""

    def __init__(self, options: ClientOptions) -> None:
        """Make an empty buffer within *options*."""
        self._linger_s = options.linger_ms / 1000
        self._max_ops = options.batch_max_ops
        self._max_batch_bytes = options.batch_max_bytes
        self._max_bytes = options.buffer_max_bytes
        self._bytes = 0
        self._groups: dict[str, _Group] = {}

    @property
    def bytes(self) -> int:
        """Bytes of unconfirmed entries, with what they occupy beside."""
        return self._bytes

    def has_room(self, accepted: Accepted) -> bool:
        """Whether all copies of *accepted* fit; an empty buffer takes anything."""
        size = (len(accepted.data) + ENTRY_BYTES) * len(accepted.routes)
        return not self._bytes or self._bytes + size <= self._max_bytes

    def append(self, route: Route, entry: Entry, now: float) -> bool:
        """Add *entry*; return whether the time at which something is due has become earlier."""
        group = self._group(route)
        first = not group.entries
        group.entries.append(entry)
        size = len(entry.data)
        group.data_bytes += size
        self._bytes += size + ENTRY_BYTES
        if first:
            group.due_at = now + self._linger_s
            group.held = False
        if group.held or group.due_at <= now:
            return first
        if len(group.entries) >= self._max_ops or group.data_bytes >= self._max_batch_bytes:
            group.due_at = now
            return True
        return first

    def hurry(self, now: float) -> None:
        """Make due what only lingers."""
        for group in self._groups.values():
            if not group.held:
                group.due_at = min(group.due_at, now)

    def due_at(self) -> float | None:
        """Return when something is due, None when nothing waits."""
        return min((group.due_at for group in self._groups.values() if group.entries), default=None)

    def due_before(self, moment: float) -> bool:
        """Return whether something is due before *moment*."""
        due_at = self.due_at()
        return due_at is not None and due_at < moment

    def due(self, now: float) -> list[Parcel]:
        """Return one parcel of each due group, those that waited longest, most urgent first."""
        due = [group for group in self._groups.values() if group.entries and group.due_at <= now]
        due.sort(key=lambda group: group.due_at)
        parcels: list[Parcel] = []
        taken_bytes = 0
        for group in due[:_ROUND_PARCELS]:
            if taken_bytes >= _ROUND_BYTES:
                break
            group.held = False
            entries, data_bytes = self._fitting(group)
            parcels.append(Parcel(group.route, entries))
            taken_bytes += data_bytes
        return sorted(parcels, key=lambda parcel: parcel.route.priority.urgency)

    def put_back(self, parcel: Parcel, due_at: float) -> None:
        """Put a parcel that was not confirmed before its group again, to be taken at *due_at*."""
        group = self._group(parcel.route)
        group.push_front(parcel.entries)
        group.due_at = due_at
        group.held = True

    def late(self, now: float) -> list[Parcel]:
        """Return the waiting entries for which no further try may begin."""
        found: list[Parcel] = []
        for group in self._groups.values():
            if group.entries and group.entries[0].try_until < now:
                late = itertools.takewhile(lambda each: each.try_until < now, group.entries)
                found.append(Parcel(group.route, tuple(late)))
        return found

    def remove(self, parcels: Iterable[Parcel]) -> None:
        """Remove what `due` or `late` has returned."""
        for parcel in parcels:
            group = self._groups[parcel.route.queue]
            if len(parcel.entries) == len(group.entries):
                del self._groups[parcel.route.queue]
                continue
            group.data_bytes -= sum([len(entry.data) for entry in parcel.entries])
            for _ in parcel.entries:
                group.entries.popleft()

    def release(self, entries: Collection[Entry]) -> None:
        """Give back the room of *entries*, which are confirmed or given up."""
        self._bytes -= sum([len(entry.data) for entry in entries]) + ENTRY_BYTES * len(entries)

    def waiting(self) -> list[Entry]:
        """Return everything that waits."""
        return [entry for group in self._groups.values() for entry in group.entries]

    def recount(self, flying: Iterable[Entry]) -> None:
        """Count again the bytes of what waits, and of what is *flying*."""
        for group in self._groups.values():
            group.data_bytes = sum(len(entry.data) for entry in group.entries)
        self._bytes = sum(entry.size for entry in [*flying, *self.waiting()])

    def drain(self) -> list[Entry]:
        """Remove and return everything that waits."""
        groups, self._groups = self._groups, {}
        return [entry for group in groups.values() for entry in group.entries]

    def _group(self, route: Route) -> _Group:
        """Return the group of what takes *route*; there are only those in which something waits."""
        group = self._groups.get(route.queue)
        if group is None:
            group = self._groups[route.queue] = _Group(route)
        return group

    def _fitting(self, group: _Group) -> tuple[tuple[Entry, ...], int]:
        """Return what fits one envelope, at least one entry, and its bytes."""
        if len(group.entries) <= self._max_ops and group.data_bytes <= self._max_batch_bytes:
            return tuple(group.entries), group.data_bytes
        data_bytes = 0
        fitting: list[Entry] = []
        for entry in itertools.islice(group.entries, self._max_ops):
            if fitting and data_bytes + len(entry.data) > self._max_batch_bytes:
                break
            data_bytes += len(entry.data)
            fitting.append(entry)
        return tuple(fitting), data_bytes
