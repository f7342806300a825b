"""What the calls of one batch were like, for whoever decides how large the next ones are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Effort:
    """What the calls of one batch were like."""

    #: How many failed because the target was busy: deadlocks, lock timeouts and the like.
    busy: int = 0
    #: Whether one took longer than a statement or request may.
    slow: bool = False
    #: Whether the target refused something, which was sought: then time says nothing about size.
    sought: bool = False
