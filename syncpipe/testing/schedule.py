"""A schedule in memory."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncpipe.store.schedule import Entry, Lease, Outlook, Scheduled

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.errors import StoreError


@dataclass(slots=True)
class _Row:
    scheduled: Scheduled
    due_ms: int
    token: str | None = None


class MemorySchedule:
    """A schedule in memory, as :class:`syncpipe.store.schedule.Schedule`.

    Beyond the port it can be broken (`fail`).
    """

    def __init__(self, clock: Clock) -> None:
        """Make an empty schedule whose own clock is *clock*."""
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[object, _Row] = {}
        self._tokens = itertools.count(1)
        self._failure: StoreError | None = None

    def put(self, entries: Sequence[Entry]) -> None:
        """Schedule *entries*."""
        with self._lock:
            self._raise_planned()
            for scheduled, wait_ms in entries:
                row = self._rows.get(scheduled.identity)
                replay = scheduled.replay or (row.scheduled.replay if row else None)
                if row is None or len(scheduled.attempts) >= len(row.scheduled.attempts):
                    due_ms = self._clock.now_ms() + wait_ms
                    kept = replace(scheduled, replay=replay)
                    self._rows[scheduled.identity] = _Row(kept, due_ms)
                else:
                    row.token = None
                    row.scheduled = replace(row.scheduled, replay=replay)

    def lease(self, targets: Sequence[str], *, limit: int, max_bytes: int, seconds: float) -> Lease:
        """Lend what is due."""
        with self._lock:
            self._raise_planned()
            token = f"00000000-0000-0000-0000-{next(self._tokens):012d}"
            lent = [row for target in targets for row in self._due(target, limit, max_bytes)]
            for row in lent:
                row.token = token
                row.due_ms = self._clock.now_ms() + round(seconds * 1000)
            return Lease(token, tuple(row.scheduled for row in lent))

    def remove(self, lease: Lease, operations: Sequence[Scheduled]) -> int:
        """Forget what *lease* still holds."""
        with self._lock:
            self._raise_planned()
            held = [
                scheduled.identity
                for scheduled in operations
                if (row := self._rows.get(scheduled.identity)) and row.token == lease.token
            ]
            for identity in held:
                del self._rows[identity]
            return len(held)

    def outlook(self) -> dict[str, Outlook]:
        """Return what is scheduled, by target."""
        with self._lock:
            self._raise_planned()
            now_ms = self._clock.now_ms()
            dues: dict[str, list[int]] = {}
            for row in self._rows.values():
                dues.setdefault(row.scheduled.target, []).append(row.due_ms)
            return {
                target: Outlook(len(found), (min(found) - now_ms) / 1000)
                for target, found in sorted(dues.items())
            }

    def hasten(self, groups: Collection[bytes]) -> int:
        """Make due what belongs to *groups* and is not lent; return how much."""
        with self._lock:
            now_ms = self._clock.now_ms()
            late = [
                row
                for row in self._rows.values()
                if row.scheduled.group_id in groups and row.due_ms > now_ms and row.token is None
            ]
            for row in late:
                row.due_ms = now_ms
            return len(late)

    def fail(self, error: StoreError | None) -> None:
        """Raise *error* from now on, until told None."""
        with self._lock:
            self._failure = error

    def _due(self, target: str, limit: int, max_bytes: int) -> list[_Row]:
        now_ms = self._clock.now_ms()
        due = [
            row
            for row in self._rows.values()
            if row.scheduled.target == target and row.due_ms <= now_ms
        ]
        due.sort(key=lambda row: row.due_ms)
        sizes = itertools.accumulate((len(row.scheduled.raw) for row in due[:limit]), initial=0)
        return [
            row
            for row, before in zip(due[:limit], sizes, strict=False)
            if before + len(row.scheduled.raw) <= max_bytes or not before
        ]

    def _raise_planned(self) -> None:
        if self._failure is not None:
            raise self._failure
