"""Which lanes are this process's own, by the list of live processes. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.assignment import owners
from syncpipe.core.routing import parse_queue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from syncpipe.core.routing import Lane

#: Most lanes that a line of the log names.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Change:
    """Lanes that became ours, and that ceased to be."""

    #: Those to consume from now on.
    taken: frozenset[Lane]
    #: Those to leave to others.
    released: frozenset[Lane]

    def named(self) -> dict[str, list[str] | int]:
        """Return both for the log: by name, or only their numbers when there are many."""
        return {"taken": _named(self.taken), "released": _named(self.released)}


class Assignment:
    """The lanes of one process, and their queues.

    What is ours is consumed at once, and what is ours no longer until the next look: meanwhile
    whoever owns it now has seen the same list and consumes it too. Two processes on one lane do no
    harm, none for a while would.
    """

    def __init__(self, name: str, declared: Mapping[str, str]) -> None:
        """Assign to the process *name*; *declared* gives the target of each declared queue."""
        self._name = name
        self._declared = declared
        self._mine: frozenset[Lane] = frozenset()
        self._before: frozenset[Lane] = frozenset()
        self._seen: object = None
        #: The same for all processes that are configured with the same lanes, for nobody else.
        self.plan: int = _digest(declared)
        #: The target of each queue that holds something and is not declared; replace it whole.
        self.found: Mapping[str, str] = {}

    @property
    def lanes(self) -> frozenset[Lane]:
        """The lanes that are ours."""
        return self._mine

    @property
    def leads(self) -> bool:
        """Whether the first of the declared lanes is ours, and with it what one does for all."""
        return bool(self._declared) and _lane(min(self._declared)) in self._mine

    @property
    def queues(self) -> dict[str, str]:
        """The target of each queue to consume."""
        lanes = self._mine | self._before
        known = {**self.found, **self._declared}
        return {queue: target for queue, target in known.items() if _lane(queue) in lanes}

    def look(self, processes: Collection[str]) -> Change | None:
        """Note which *processes* live, this one in any case; return what that changes, if anything.

        Name only those of our plan: whoever has other lanes comes to other owners, and a lane that
        each leaves to the other would be nobody's.

        To be called again and again, changed or not: releasing takes effect with the second call.
        """
        seen = (frozenset(processes) | {self._name}, frozenset(self.found))
        self._before = self._mine
        if seen == self._seen:
            return None
        self._seen = seen
        self._mine = frozenset(lane for lane, to in self._owners(*seen) if to == self._name)
        change = Change(self._mine - self._before, self._before - self._mine)
        return change if change.taken or change.released else None

    def _owners(
        self, processes: Collection[str], found: Iterable[str]
    ) -> Iterable[tuple[Lane, str]]:
        """Return the owner of each lane.

        Found lanes are assigned one by one: not everybody finds the same at the same time, and
        that must not change who owns any other.
        """
        declared = {_lane(queue) for queue in self._declared}
        owned = owners(declared, processes)
        for lane in {_lane(queue) for queue in found} - declared:
            owned |= owners([lane], processes)
        return owned.items()


def _digest(declared: Iterable[str]) -> int:
    """Return a number of 32 bits for these queues."""
    text = "\n".join(sorted(declared))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _lane(queue: str) -> Lane:
    """Return the lane of one of its queues."""
    parsed = parse_queue(queue)
    if parsed is None:
        raise ValueError(queue)
    return parsed[0]


def _named(lanes: frozenset[Lane]) -> list[str] | int:
    if len(lanes) > _NAMED:
        return len(lanes)
    return [f"{lane.target}.{lane.shard}" for lane in sorted(lanes)]
