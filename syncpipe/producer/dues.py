"""Versions of delayed operations: the time at which they are due, in the order of the calls. Pure.

Several operations may be due at the same instant. What was given out for an instant ahead is
remembered, for so many instants. The earliest are forgotten first, and how far their counters had
come is kept: what is due there once more goes on above them.
"""

from __future__ import annotations

import heapq

from syncpipe.core.version import at_milliseconds

#: Most instants that are remembered one by one.
_MOST = 65_536
#: A counter that `after` has carried further than this is not kept: a second's worth.
_MOST_KEPT = at_milliseconds(1000)


class Dues:
    """Gives out versions of instants to come."""

    def __init__(self, most: int = _MOST) -> None:
        """Remember up to *most* instants one by one."""
        self._most = most
        self._next: dict[int, int] = {}
        self._order: list[int] = []
        self._forgotten_until_ms = 0
        self._forgotten_counter = 0

    def version(self, due_ms: int, *, now_ms: int, after: int) -> int:
        """Return a version of *due_ms*, above those given out for it before, and above *after*.

        A Ctrl-C anywhere in between does no harm.
        """
        self._forget_past(now_ms)
        following = self._next.get(due_ms)
        version = max(self._first(due_ms) if following is None else following, after + 1)
        self._next[due_ms] = version + 1
        if following is None:
            heapq.heappush(self._order, due_ms)
        if len(self._order) > self._most:
            self._forget_earliest()
        return version

    def _first(self, due_ms: int) -> int:
        again = due_ms <= self._forgotten_until_ms
        return at_milliseconds(due_ms) + (self._forgotten_counter if again else 0)

    def _forget_past(self, now_ms: int) -> None:
        while self._order and self._order[0] <= now_ms:
            self._next.pop(heapq.heappop(self._order), None)
        if self._forgotten_until_ms <= now_ms:
            self._forgotten_until_ms = self._forgotten_counter = 0

    def _forget_earliest(self) -> None:
        due_ms = heapq.heappop(self._order)
        counter = self._next.pop(due_ms, 0) - at_milliseconds(due_ms)
        self._forgotten_until_ms = max(self._forgotten_until_ms, due_ms)
        self._forgotten_counter = max(self._forgotten_counter, min(counter, _MOST_KEPT))
