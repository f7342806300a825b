"""A call to a target that is under way."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is under way."""

    #: How often the target was left alone before it began: it says nothing about later times.
    epoch: int
    #: When it began, in monotonic seconds.
    began: float
