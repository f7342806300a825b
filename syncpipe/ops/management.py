"""What operators ask of a target beyond what the pipeline asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from syncpipe.targets.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.targets.target import Check, Description


class ManagedTarget(Target, Protocol):
    """A target that operators care for."""

    def init(self) -> list[str]:
        """Make what syncpipe needs there; return the names. Idempotent."""
        ...

    def test(self) -> list[Check]:
        """Check everything that operations need; nothing that is written stays."""
        ...

    def describe(self) -> Sequence[Description]:
        """Return what each collection may write."""
        ...
