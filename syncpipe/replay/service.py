"""What people ask of replays, whichever door they come through: values ready for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.core.access import Role
from syncpipe.core.audit import Act
from syncpipe.errors import NotPossible

if TYPE_CHECKING:
    from syncpipe.core.access import Identity
    from syncpipe.store import replays as port
    from syncpipe.store.replays import Declared, Order, Plan, Replay


class Replays:
    """The replays of a store, for somebody. Safe to use from several threads.

    Everything raises AccessDenied, StoreUnavailable and StoreOutdated; what changes something,
    NotPossible and AuditKeyMissing too.
    """

    def __init__(
        self, replays: port.Replays, identity: Identity, declared: Declared | None = None
    ) -> None:
        """Ask *replays* for *identity*; what is not *declared* cannot be sent."""
        self._replays = replays
        self._identity = identity
        self._declared = declared

    def list(self, *, limit: int = 50, active: bool = False) -> list[dict[str, Any]]:
        """Return up to *limit* replays, the newest first; only those not ended if *active*."""
        self._identity.require(Role.VIEWER, "look at replays")
        return [described(each) for each in self._replays.latest(limit=limit, active=active)]

    def show(self, id_: str) -> dict[str, Any] | None:
        """Return the replay whose id is *id_*, or alone begins with it; None if there is none."""
        self._identity.require(Role.VIEWER, "look at replays")
        found = self._replays.find(id_)
        return None if found is None else described(found)

    def plan(self, order: Order) -> Plan:
        """Return what `create` would take now."""
        self._identity.require(Role.VIEWER, "plan a replay")
        return self._replays.plan(order, self._declared)

    def create(self, order: Order, reason: str) -> dict[str, Any]:
        """Take the open dead letters that *order* means, and have the workers send them."""
        self._identity.require(Role.OPERATOR, "replay")
        act = self._act("dlq.replay", order.text, reason)
        return described(self._replays.create(order, act, self._declared))

    def pause(self, id_: str, reason: str = "") -> dict[str, Any]:
        """Send nothing more until it is resumed."""
        self._identity.require(Role.OPERATOR, "pause a replay")
        return described(self._replays.pause(id_, self._act("replay.pause", id_, reason)))

    def resume(self, id_: str, reason: str = "") -> dict[str, Any]:
        """Go on, also after it stopped by itself."""
        self._identity.require(Role.OPERATOR, "resume a replay")
        return described(self._replays.resume(id_, self._act("replay.resume", id_, reason)))

    def cancel(self, id_: str, reason: str) -> dict[str, Any]:
        """End it, and open what was not sent."""
        self._identity.require(Role.OPERATOR, "cancel a replay")
        if not reason.strip():
            raise NotPossible("To cancel a replay takes a reason.")
        return described(self._replays.cancel(id_, self._act("replay.cancel", id_, reason)))

    def _act(self, verb: str, subject: str, reason: str) -> Act:
        return Act(self._identity.actor, verb, subject, reason)


def described(replay: Replay) -> dict[str, Any]:
    """Return everything about *replay*."""
    return {
        "id": replay.id,
        "state": replay.state.value,
        "stopped": replay.stopped,
        **replay.order.row,
        "actor": replay.actor,
        "reason": replay.reason,
        "created_ms": replay.created_ms,
        "ended_ms": replay.ended_ms,
        "total": replay.total,
        "sent": replay.sent,
        "settled": replay.ended,
        "outcomes": dict(sorted(replay.outcomes.items())),
    }
