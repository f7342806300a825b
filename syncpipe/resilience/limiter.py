"""What one process may spend of a target's quota.

It takes its part in blocks, so that nobody has to be asked for each batch, and one block at a time,
so that no process gets ahead of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.resilience.quota import Quota

#: Seconds for which a block lasts.
_BLOCK_S = 0.5


class Limiter:
    """Counts operations. Times are monotonic seconds."""

    def __init__(self, quota: Quota) -> None:
        """Keep to *quota*, that of all processes together."""
        #: What all processes together may do.
        self.quota = quota
        self._block = max(1, int(min(quota.burst, quota.per_s * _BLOCK_S)))
        self._left = 0
        self._coming: tuple[float, int] | None = None
        self._asked = False

    def left(self, now: float) -> int:
        """Return how many operations may begin now."""
        if self._coming is not None and self._coming[0] <= now:
            self._left += self._coming[1]
            self._coming = None
        return self._left

    def wakes(self) -> float | None:
        """Return when more may begin; None if that is not known."""
        return None if self._coming is None else self._coming[0]

    def wants(self, now: float, operations: int) -> int:
        """Return how many to ask for, so that so many *operations* may begin; 0 if not now."""
        left = self.left(now)
        if self._asked or self._coming is not None:
            return 0
        if left >= operations and 2 * left >= self._block:
            return 0
        self._asked = True
        return max(self._block, operations - left)

    def granted(self, now: float, operations: int, wait_s: float) -> None:
        """Note that the *operations* that were asked for may begin after *wait_s* seconds."""
        self._asked = False
        self._coming = (now + wait_s, operations)

    def spend(self, operations: int) -> None:
        """Note that so many *operations* begin."""
        self._left -= operations
