"""Operations of a message that may have killed a process: one at a time, each noted first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import Quarantined
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.operation import Operation
    from syncpipe.errors import TargetError
    from syncpipe.pipeline.isolation import Isolation


class Care(Protocol):
    """Knows which operations have killed processes."""

    def gives_up(self, operation: Operation) -> bool:
        """Return whether *operation* is tried no more."""
        ...

    def begin(self, operation: Operation) -> None:
        """Note that *operation*, and no other, is applied now."""
        ...


def one_by_one(isolation: Isolation, groups: Sequence[Group], care: Care) -> TargetError | None:
    """Apply the operations of *groups* alone, in version order for each record.

    Returns why some are left without result, if so. What has killed processes is given up.
    """
    for group in groups:
        for operation in group.operations:
            if care.gives_up(operation):
                error = Quarantined("Processes died when they applied the operation alone.")
                isolation.results.append(Result(operation, Outcome.DEAD, error))
                continue
            care.begin(operation)
            outage = isolation.run((Group(group.collection, group.key, (operation,)),))
            if outage:
                return outage
    return None
