"""What people want of a target."""

from __future__ import annotations

import enum

#: What stands before a target's name among what a process counts, for what it has been told.
COUNTER = "pause:"


class Hold(enum.Enum):
    """What people want of a target, whatever it does."""

    #: Nothing: the breaker decides.
    NONE = "none"
    #: It is left alone.
    OPEN = "open"
    #: It is called.
    CLOSED = "closed"

    def pack(self, since_ms: int) -> int:
        """Return it as one integer, which is the greater the later it was wanted."""
        return since_ms * len(_HOLDS) + _HOLDS.index(self)

    @classmethod
    def unpack(cls, packed: int) -> tuple[Hold, int]:
        """Return what was packed, and since when it is wanted."""
        since_ms, index = divmod(packed, len(_HOLDS))
        return _HOLDS[index], since_ms


_HOLDS = tuple(Hold)
