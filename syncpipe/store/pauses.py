"""Pauses: what people want of targets, whatever the breakers find out. The port, and its value.

Pure: this module knows no database. One contract suite (``tests/contract/test_pauses.py``) holds
every adapter to the promises written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from syncpipe.resilience.hold import Hold


@dataclass(frozen=True, slots=True)
class Pause:
    """What somebody wanted last of a target; also that it is no longer paused."""

    #: Name of the target.
    target: str
    #: What is wanted.
    hold: Hold
    #: Who wanted it: login name and host.
    by: str
    #: Why; empty if nobody said.
    reason: str
    #: Milliseconds since the Unix epoch at which it was wanted, by the store's clock.
    since_ms: int


class Held(NamedTuple):
    """What became of a wish."""

    #: What is wanted now.
    pause: Pause
    #: Whether it was not wanted before.
    changed: bool


class Pauses(Protocol):
    """What people want of targets. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated.
    """

    def hold(self, target: str, hold: Hold, *, by: str, reason: str) -> Held:
        """Want *hold* of *target* from now on, until somebody wants something else.

        What is wanted already stays as it was, with who and why. A store with an audit and its key
        writes a change down there, in the same transaction; without a key the change is made all
        the same, as nothing may keep somebody from pausing a target.
        """
        ...

    def current(self) -> dict[str, Pause]:
        """Return what is wanted of each target of which anything ever was, by its name."""
        ...
