"""Undoing the applied members of groups that ended dead.

Members are lent, what undoes each is made outside any transaction, and then it is scheduled and its
member marked in one. Whoever dies on the way leaves the members lent; they are lent again when that
ends. The first compensation that is kept counts, so that two who work at once send one operation,
and the schedule sends it on at least once, with one id and one version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from syncpipe.errors import CompensationFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.compensation import Compensation
    from syncpipe.core.routing import Priority
    from syncpipe.store.groups import Groups, Member

#: Most members, and bytes of them, that are lent at once, and for how many seconds.
_MOST_LENT, _MOST_LENT_BYTES, _LEASE_S = 200, 4 * 1024 * 1024, 5.0
#: Seconds for which it is known that a group ended dead, or longer where a horizon is.
_LONGEST_S = 30 * 24 * 3600
#: Most rounds of one sweep, so that whoever wants to end is not held up.
_MOST_ROUNDS = 10


class Compensator(Protocol):
    """Makes compensations."""

    def __call__(self, raw: bytes, target: str, priority: Priority) -> Compensation | None:
        """Return what undoes the operation *raw* at *target*; None: nothing.

        Raises:
            CompensationFailed: it cannot be made now.

        """
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    #: Members that are undone, or for which there is nothing to do.
    compensated: int = 0
    #: Members for which no compensation could be made; they are tried again later.
    failed: int = 0
    #: Why, of the first of these.
    error: CompensationFailed | None = None


def sweep(groups: Groups, compensator: Compensator) -> Swept:
    """Undo what is to be undone now. Several may do so at once.

    Raises:
        StoreError: the store cannot be asked; what is still to be done is done another time.

    """
    compensated, failed, first_error = 0, 0, None
    for _ in range(_MOST_ROUNDS):
        lent = groups.lend(limit=_MOST_LENT, max_bytes=_MOST_LENT_BYTES, seconds=_LEASE_S)
        undone: list[tuple[Member, Compensation | None]] = []
        for member in lent:
            try:
                undone.append((member, compensator(member.raw, member.target, member.priority)))
            except CompensationFailed as error:
                failed += 1
                first_error = first_error or error
        compensated += groups.compensate(undone)
        if not lent:
            break
    return Swept(compensated, failed, first_error)


def forget(groups: Groups, collections: Mapping[str, Collection]) -> int:
    """Forget the groups of which every member lies behind its horizon; return how many members.

    Raises:
        StoreError: the store cannot be asked.

    """
    horizons_s = {name: each.horizon_s for name, each in collections.items()}
    return groups.forget(horizons_s, max([_LONGEST_S, *horizons_s.values()]))
