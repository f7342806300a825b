"""Groups in memory."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.store.groups import Counts, Member, Standing
from syncpipe.store.schedule import Entry, Scheduled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.core.compensation import Compensation
    from syncpipe.errors import StoreError
    from syncpipe.store.groups import Death, Identity
    from syncpipe.testing.schedule import MemorySchedule

#: The longest pause between two leases, seconds, unless the lease itself is longer.
_LONGEST_S = 60.0


@dataclass(slots=True)
class _Row:
    member: Member
    entered_ms: int
    applied: bool = False
    due_ms: int | None = None
    tries: int = 0
    compensated: bool = False

    @property
    def pending(self) -> bool:
        return self.applied and self.due_ms is not None and not self.compensated


class MemoryGroups:
    """Groups in memory, as :class:`syncpipe.store.groups.Groups`.

    Beyond the port they are told of deaths (`die`), and can be broken (`fail`).
    """

    def __init__(self, schedule: MemorySchedule, clock: Clock) -> None:
        """Know of none; what undoes members goes into *schedule*, and *clock* tells what is due."""
        self._schedule = schedule
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[Identity, _Row] = {}
        self._deaths: dict[bytes, Death] = {}
        self._undoing: dict[object, Compensation | None] = {}
        self._failure: StoreError | None = None

    def enter(self, members: Sequence[Member], asked: Collection[bytes]) -> Standing:
        """Note *members* as about to be tried."""
        with self._lock:
            self._raise_planned()
            deaths = {id_: self._deaths[id_] for id_ in asked if id_ in self._deaths}
            for member in members:
                if member.group_id not in deaths and member.identity not in self._rows:
                    self._rows[member.identity] = _Row(member, self._clock.now_ms())
            entered = {member.identity for member in members} & self._rows.keys()
            return Standing(deaths, {each for each in entered if each.group_id in deaths})

    def leave(self, members: Sequence[Member]) -> None:
        """Forget those of *members* that were not applied."""
        with self._lock:
            self._raise_planned()
            for member in members:
                row = self._rows.get(member.identity)
                if row is not None and not row.applied:
                    del self._rows[member.identity]

    def applied(self, members: Sequence[Member]) -> None:
        """Keep that *members* were applied."""
        with self._lock:
            self._raise_planned()
            for member in members:
                now_ms = self._clock.now_ms()
                row = self._rows.setdefault(member.identity, _Row(member, now_ms))
                row.applied = True
                if row.due_ms is None and member.group_id in self._deaths:
                    row.due_ms = now_ms

    def hasten(self) -> int:
        """Make due what dead groups have anywhere."""
        with self._lock:
            self._raise_planned()
            return self._hasten(self._deaths)

    def lend(self, *, limit: int, max_bytes: int, seconds: float) -> list[Member]:
        """Lend members to be compensated."""
        with self._lock:
            self._raise_planned()
            now_ms = self._clock.now_ms()
            due = [
                (row.due_ms, row)
                for row in self._rows.values()
                if row.pending and row.due_ms is not None and row.due_ms <= now_ms
            ]
            due.sort(key=lambda each: each[0])
            lent: list[Member] = []
            for _, row in due[:limit]:
                max_bytes -= len(row.member.raw)
                if max_bytes < 0 and lent:
                    break
                pause_s = min(seconds * 2.0 ** min(row.tries, 20), max(seconds, _LONGEST_S))
                row.due_ms = now_ms + round(pause_s * 1000)
                row.tries += 1
                lent.append(row.member)
            return lent

    def compensate(self, undone: Sequence[tuple[Member, Compensation | None]]) -> int:
        """Schedule what undoes members."""
        with self._lock:
            self._raise_planned()
            entries, rows = [], []
            for member, proposed in undone:
                operation = (member.group_id, member.operation_id, member.collection, member.key)
                undoing = self._undoing.setdefault(operation, proposed)
                row = self._rows.get(member.identity)
                if row is None or not row.applied or row.compensated or row in rows:
                    continue
                rows.append(row)
                if undoing is not None:
                    entries.append(Entry(_scheduled(undoing, member.target), 0))
            self._schedule.put(entries)
            for row in rows:
                row.compensated = True
            return len(rows)

    def death(self, group_id: bytes) -> Death | None:
        """Return why a group ended dead, if it did."""
        with self._lock:
            return self._deaths.get(group_id)

    def counts(self, group_id: bytes) -> Counts:
        """Return how far a group has come."""
        with self._lock:
            rows = [row for each, row in self._rows.items() if each.group_id == group_id]
            return Counts(len(rows), sum(r.applied for r in rows), sum(r.compensated for r in rows))

    def forget(self, horizons_s: Mapping[str, int], longest_s: int) -> int:
        """Forget what is old."""
        with self._lock:
            self._raise_planned()
            now_ms = self._clock.now_ms()
            old = [
                identity
                for identity, row in self._rows.items()
                if not row.pending
                and row.entered_ms < now_ms - horizons_s.get(identity.collection, longest_s) * 1000
            ]
            for identity in old:
                del self._rows[identity]
            living = {identity.group_id for identity in self._rows}
            self._deaths = {
                id_: death
                for id_, death in self._deaths.items()
                if id_ in living or death.died_ms >= now_ms - longest_s * 1000
            }
            return len(old)

    def die(self, deaths: Iterable[Death]) -> None:
        """Let groups end dead; of several deaths of one group the first counts."""
        with self._lock:
            fresh = set()
            for death in deaths:
                if death.group_id not in self._deaths:
                    self._deaths[death.group_id] = death
                    fresh.add(death.group_id)
            self._hasten(fresh)

    def fail(self, error: StoreError | None) -> None:
        """Raise *error* from now on, until told None."""
        with self._lock:
            self._failure = error

    def _hasten(self, dead: Collection[bytes]) -> int:
        now_ms = self._clock.now_ms()
        late = [
            row
            for identity, row in self._rows.items()
            if identity.group_id in dead and row.due_ms is None
        ]
        for row in late:
            row.due_ms = now_ms
        return len(late) + self._schedule.hasten(dead)

    def _raise_planned(self) -> None:
        if self._failure is not None:
            raise self._failure


def _scheduled(undoing: Compensation, target: str) -> Scheduled:
    operation = undoing.operation
    return Scheduled(
        operation_id=operation.id,
        target=target,
        collection=operation.collection,
        key=operation.key,
        priority=undoing.priority,
        raw=undoing.raw,
    )
