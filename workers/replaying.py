"""The job that goes on with replays, in every process that lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.errors import StoreError, SyncpipeError
from syncpipe.replay.replayer import Replayer
from workers.periodic import Periodic

if TYPE_CHECKING:
    from syncpipe.replay.replayer import Stepped
    from workers.station import Station

#: Seconds between two looks for what is to be sent again.
_REPLAY_S = 0.5
#: Most steps of one look, so that whoever wants to end is not held up.
_MOST_STEPS = 10


def replays(station: Station) -> list[Periodic]:
    """Return the job; none without a store."""
    store, parts = station.store, station.parts
    if store is None:
        return []
    replayer = Replayer(
        store.replaying,
        store.outcomes,
        station.broker,
        declared=parts.replayable(),
        shards=parts.settings.shards,
        clock=parts.clock,
        random=parts.random,
        why=station.guards.why,
    )
    job = Periodic(
        "replay",
        lambda: _replay(station, replayer),
        every_s=_REPLAY_S,
        troubles=station.troubles,
    )
    return [job]


def _replay(station: Station, replayer: Replayer) -> None:
    """Go on with each replay until it has to wait; a fault of ours is told, and ends nothing."""
    waiting: set[str] = set()
    for _ in range(_MOST_STEPS):
        try:
            stepped = replayer.step()
        except SyncpipeError:
            raise
        except Exception as fault:
            raise StoreError(f"A replay could not go on: {type(fault).__name__}.") from fault
        if stepped is None:
            return
        _tell(station, stepped)
        if stepped.error is not None:
            raise stepped.error
        if stepped.sent or stepped.state:
            continue
        if stepped.replay in waiting:
            return
        waiting.add(stepped.replay)


def _tell(station: Station, stepped: Stepped) -> None:
    if stepped.sent:
        station.say("replayed", replay=stepped.replay, operations=stepped.sent)
    if stepped.state is not None:
        state, why = stepped.state.value, stepped.stopped or None
        station.warn("replay-changed", replay=stepped.replay, state=state, reason=why)
