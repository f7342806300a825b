"""What is to be done next for a replay that stands so. Pure.

.. code-block:: text

    (made) ──► canary ──all of it ended well──► running ──everything has an outcome──► finished
       └────────────────────────────────────────▲  │
                 canary, running ──somebody, or too many are dead──► paused ──resume──► as before
                 canary, running, paused ──somebody──► cancelled
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.store.replays import ReplayState

if TYPE_CHECKING:
    from syncpipe.store.replays import Order, Replay, Turn

#: Most operations that are sent and have no outcome yet, those in the schedule not counted.
WINDOW = 5_000
#: Outcomes from which on their share of dead ones counts.
_ENOUGH = 20
#: What may be sent at once after a pause, in seconds of the rate.
_BURST_S = 1.0
#: Against the rounding of floats.
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Send:
    """Send what comes next."""

    #: At most so many.
    most: int
    #: Up to this number.
    last: int


@dataclass(frozen=True, slots=True)
class Change:
    """Go over into another state."""

    #: Which.
    state: ReplayState
    #: Why, where it stops by itself.
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing now; look whether something is lost."""


Decision = Send | Change | Wait


def decide(turn: Turn) -> Decision:
    """Return what is to be done next."""
    replay = turn.replay
    if replay.state not in {ReplayState.RUNNING, ReplayState.CANARY}:
        over = replay.state is ReplayState.FINISHED or not turn.waiting
        return Change(replay.state) if over else Wait()
    if not turn.unsent + turn.waiting:
        return Change(ReplayState.FINISHED)
    if reason := _too_many_dead(turn):
        return Change(ReplayState.PAUSED, reason)
    in_canary = replay.state is ReplayState.CANARY
    if in_canary and not turn.canary:
        return Change(ReplayState.RUNNING)
    last = replay.order.canary if in_canary else replay.total
    most = min(WINDOW - turn.waiting + turn.scheduled, _by_rate(turn))
    if most > 0 and turn.next is not None and turn.next <= last:
        return Send(most, last)
    return Wait()


def burst_s(order: Order) -> float:
    """Return how many seconds' worth may be sent at once: one operation at least."""
    return max(_BURST_S, 1 / order.rate) if order.rate else _BURST_S


def _by_rate(turn: Turn) -> int:
    """Return how many the rate allows now."""
    rate = turn.replay.order.rate
    if rate is None:
        return WINDOW
    return math.floor(rate * min(turn.behind_s, burst_s(turn.replay.order)) + _TINY)


def _too_many_dead(turn: Turn) -> str:
    """Return why the replay has to stop; empty if it has not."""
    replay = turn.replay
    ended, dead = replay.ended - turn.forgiven, replay.dead - turn.forgiven_dead
    enough = 1 if replay.state is ReplayState.CANARY else _ENOUGH
    if ended < enough or dead <= replay.order.stop_on_error_rate * ended:
        return ""
    return (
        f"{_of(replay)}{dead} of {ended} are dead again ({dead / ended:.0%}), more than "
        f"{replay.order.stop_on_error_rate:.0%}"
    )


def _of(replay: Replay) -> str:
    return "of the canary, " if replay.state is ReplayState.CANARY else ""
