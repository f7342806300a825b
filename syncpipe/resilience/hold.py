"""What people want of a target."""

from __future__ import annotations

import enum


class Hold(enum.Enum):
    """What people want of a target, whatever it does."""

    #: Nothing: the breaker decides.
    NONE = "none"
    #: It is left alone.
    OPEN = "open"
    #: It is called.
    CLOSED = "closed"
