"""The messages of one target that wait for their batch. Pure."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from typing import TYPE_CHECKING

from syncpipe.core.routing import leading
from workers.held import DEGREES, Held

if TYPE_CHECKING:
    from syncpipe.pipeline import WorkerOptions
    from syncpipe.resilience.sizes import Sizes


class Shelf:
    """Fresh messages by urgency, and messages to be tried again by due time.

    The two never share a batch: a record that makes its batch slow, because somebody else has
    locked it, then slows only others of its kind. What was not tried for itself, because the target
    took nothing, rests, and is fresh again after all others: alone, a record that the target never
    takes would look like a target that takes nothing, and keep others from their turn.

    The urgencies take turns in leading a batch of fresh messages, so that none waits for ever (see
    `core.routing.leading`). Times are monotonic seconds.
    """

    def __init__(self, options: WorkerOptions, sizes: Sizes) -> None:
        """Make batches within *options*, and of the *sizes* of the moment."""
        self._options = options
        self._sizes = sizes
        self._fresh: tuple[deque[Held], ...] = tuple(deque() for _ in range(DEGREES))
        self._retries: list[tuple[float, int, Held]] = []
        self._resting: list[tuple[float, int, Held]] = []
        self._numbers = itertools.count()
        self._turn = 0
        self._operations = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return sum(map(len, self._fresh)) + self.retries

    @property
    def retries(self) -> int:
        """How many messages wait to be tried again."""
        return len(self._retries) + len(self._resting)

    @property
    def full(self) -> bool:
        """Whether fresh messages wait that fill a batch."""
        return self.plenty or self._bytes >= self._options.batch_max_bytes

    @property
    def plenty(self) -> bool:
        """Whether they hold as many operations as a batch may have."""
        return self._operations >= self._sizes.operations

    def put(self, held: Held) -> None:
        """Add a fresh message."""
        self._fresh[held.degree].append(held)
        self._operations += held.operations
        self._bytes += held.size

    def put_back(self, held: Held, due: float) -> None:
        """Add a message to be tried again at *due*."""
        heapq.heappush(self._retries, (due, next(self._numbers), held))

    def rest(self, held: Held, until: float) -> None:
        """Add a message that is fresh again, the last of its urgency, at *until*."""
        heapq.heappush(self._resting, (until, next(self._numbers), held))

    def due(self) -> float | None:
        """Return when the next batch may start, None if nothing waits."""
        dues = [waiting[0][0] for waiting in (self._retries, self._resting) if waiting]
        heads = [queue[0].since for queue in self._fresh if queue]
        if heads:
            dues.append(min(heads) + (0 if self.full else self._options.batch_linger_ms / 1000))
        return min(dues, default=None)

    def repeats(self, now: float) -> bool:
        """Return whether the next batch holds what is tried again."""
        return bool(self._retries) and self._retries[0][0] <= now

    def cost(self, now: float) -> int:
        """Return how many operations the first message of the next batch holds; one must wait."""
        self._wake(now)
        if self.repeats(now):
            return self._retries[0][2].operations
        return next(filter(None, self._in_turn(self._turn + 1)))[0].operations

    def take(self, now: float, *, most: int | None = None) -> list[Held]:
        """Take the next batch: what is due again, else what is fresh, by urgency after a leader.

        It has *most* operations, if that is less than a batch may have.
        """
        self._wake(now)
        size = self._sizes.operations
        batch = _Filling(min(size, most or size), self._options.batch_max_bytes)
        return self._take_retries(batch, now) if self.repeats(now) else self._take_fresh(batch)

    def clear(self) -> list[Held]:
        """Take everything."""
        everything = [held for _, _, held in (*self._retries, *self._resting)]
        everything += itertools.chain.from_iterable(self._fresh)
        self._retries.clear()
        self._resting.clear()
        for queue in self._fresh:
            queue.clear()
        self._operations = self._bytes = 0
        return everything

    def _wake(self, now: float) -> None:
        """Have what has rested be fresh."""
        while self._resting and self._resting[0][0] <= now:
            self.put(heapq.heappop(self._resting)[2])

    def _take_retries(self, batch: _Filling, now: float) -> list[Held]:
        while self._retries and self._retries[0][0] <= now and batch.has_room(self._retries[0][2]):
            batch.add(heapq.heappop(self._retries)[2])
        return batch.members

    def _take_fresh(self, batch: _Filling) -> list[Held]:
        self._turn += 1
        for queue in self._in_turn(self._turn):
            while queue and batch.has_room(queue[0]):
                batch.add(self._pop(queue))
        return batch.members

    def _in_turn(self, turn: int) -> list[deque[Held]]:
        """Return the fresh messages by degree, in the order of that turn."""
        leader = leading(turn)
        order = sorted(range(DEGREES), key=lambda degree: (degree != leader, degree))
        return [self._fresh[degree] for degree in order]

    def _pop(self, queue: deque[Held]) -> Held:
        held = queue.popleft()
        self._operations -= held.operations
        self._bytes -= held.size
        return held


class _Filling:
    """A batch that is being filled; the first message always fits, and one that is to be alone."""

    def __init__(self, operations: int, size: int) -> None:
        self.members: list[Held] = []
        self._operations = operations
        self._bytes = size

    def has_room(self, held: Held) -> bool:
        fits = held.operations <= self._operations and held.size <= self._bytes
        alone = held.alone or any(member.alone for member in self.members)
        return (fits and not alone) or not self.members

    def add(self, held: Held) -> None:
        self.members.append(held)
        self._operations -= held.operations
        self._bytes -= held.size
