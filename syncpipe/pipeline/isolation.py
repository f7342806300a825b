"""Finds among many groups the operations that the target refuses: they harm only themselves.

Halving takes about ``b * log2(n / b)`` tries for *b* culprits among *n* groups; where they are
dense, each group is tried alone. A refused group is unfolded and its operations tried in version
order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetError,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
)
from syncpipe.targets.target import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.core.operation import Operation
    from syncpipe.pipeline.attempt import Attempt

#: Where more than one in so many groups is refused, halving costs more than trying each alone.
_DENSE = 8
#: So many tries of one batch may end with a busy target before the whole target counts as busy.
#: Each may take a lock timeout; it suffices to find one locked record among 2,000.
_MOST_BUSY = 12


class Isolation:
    """Applies the groups of one batch, dividing them where the target refuses."""

    def __init__(self, attempt: Attempt) -> None:
        """Try with *attempt*."""
        self._attempt = attempt
        self._refused = 0
        self._busy = 0
        self._misfits: list[tuple[Group, TargetMisconfigured]] = []
        #: What became of each operation so far.
        self.results: list[Result] = []

    def run(self, groups: Sequence[Group]) -> TargetError | None:
        """Apply *groups*; return why some operations are left without result, if so."""
        parts = [tuple(groups)]
        while parts:
            part = parts.pop()
            try:
                self.results += self._attempt(part)
            except (TargetUnavailable, TargetThrottled) as outage:
                return outage
            except TargetMisconfigured as error:
                try:
                    parts += self._divide_misfits(part, error)
                except (TargetUnavailable, TargetThrottled) as outage:
                    return outage
            except (Refused, RefusedForNow, TargetBusy) as error:
                if self._is_busy(error):
                    return error
                divided = self._divide(part, total=len(groups))
                parts += divided
                if not divided:
                    self._give_up(part[0].operations[0], error)
        return self._settle_misfits()

    def _divide_misfits(
        self, part: tuple[Group, ...], error: TargetMisconfigured
    ) -> list[tuple[Group, ...]]:
        """Return smaller parts, so that one collection, or one record, stops no other.

        Where neither the first nor the last record of a collection fits, none does.
        """
        collections: dict[str, list[Group]] = {}
        for group in part:
            collections.setdefault(group.collection.name, []).append(group)
        if len(collections) > 1:
            return [tuple(members) for members in collections.values()]
        ends = () if len(part) == 1 else (part[0], part[-1])
        fitting = [group for group in ends if self._fits(group)]
        if not fitting:
            self._misfits += [(group, error) for group in part]
            return []
        rest = tuple(group for group in part if group not in fitting)
        half = len(rest) // 2
        return [smaller for smaller in (rest[half:], rest[:half]) if smaller]

    def _fits(self, group: Group) -> bool:
        """Apply *group* alone; return whether the target has no fault of its own with it."""
        try:
            self.results += self._attempt((group,))
        except TargetMisconfigured:
            return False
        except (Refused, RefusedForNow, TargetBusy) as error:
            for operation in group.operations:
                self._give_up(operation, RefusedForNow(error.message))
        return True

    def _settle_misfits(self) -> TargetError | None:
        """Let wait what does not fit; return why, if nothing of the batch does.

        What fails while others of its collection pass is refused like any other: for now.
        """
        if self._misfits and not self.results:
            return self._misfits[0][1]
        passed = {result.operation.collection for result in self.results}
        for group, error in self._misfits:
            alone = group.collection.name in passed
            reason = RefusedForNow(error.message, sqlstate=error.sqlstate) if alone else error
            for operation in group.operations:
                self._give_up(operation, reason)
        return None

    def _is_busy(self, error: TargetError) -> bool:
        self._busy += isinstance(error, TargetBusy)
        return self._busy >= _MOST_BUSY or (
            isinstance(error, TargetBusy) and self._attempt.stopped.is_set()
        )

    def _divide(self, part: tuple[Group, ...], *, total: int) -> list[tuple[Group, ...]]:
        """Return smaller parts, last first; none for a single operation."""
        if len(part) == 1:
            self._refused += 1
            return _unfold(part[0])
        if self._refused * _DENSE > total:
            return [(group,) for group in reversed(part)]
        half = len(part) // 2
        return [part[half:], part[:half]]

    def _give_up(self, operation: Operation, error: TargetError) -> None:
        outcome = Outcome.DEAD if isinstance(error, Refused) else Outcome.RETRYING
        self.results.append(Result(operation, outcome, error))


def _unfold(group: Group) -> list[tuple[Group, ...]]:
    """Return the operations of *group* one at a time, newest first; none if it holds only one."""
    if len(group.operations) == 1:
        return []
    return [
        (Group(group.collection, group.key, (operation,)),)
        for operation in reversed(group.operations)
    ]
