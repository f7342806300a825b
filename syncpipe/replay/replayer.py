"""Sends what is to be sent again, in whichever worker process has its turn.

A replay is lent for some seconds; its next operations are published, and marked once the broker has
confirmed them. Whoever dies on the way leaves it lent; when that ends, another goes on, and what is
published twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syncpipe.core.outcome import Outcome
from syncpipe.core.packing import parts
from syncpipe.core.routing import parse_queue, queues_of
from syncpipe.errors import NothingHeard, QueueMissing
from syncpipe.replay.decision import Change, Send, burst_s, decide
from syncpipe.replay.parcels import Hopeless, Parcels
from syncpipe.store.replays import ReplayState, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.errors import SyncpipeError
    from syncpipe.replay.parcels import Parcel
    from syncpipe.store.replays import Declared, Item, Outcomes, Replaying, Turn
    from syncpipe.transport.broker import Broker

#: Seconds for which a replay is lent.
_LEASE_S = 10.0
#: Seconds for one call of the broker.
_PUBLISH_TIMEOUT_S = 5.0
#: Most operations, and bytes of them, that are read at once.
_MOST_READ, _MOST_READ_BYTES = 1000, 8 * 1024 * 1024
#: Seconds of silence after which what it waits for is told, and after which what was sent may be
#: lost: it is sent again, but so often at most.
_TELL_S, _LOST_S, _MOST_TRIES = 5.0, 60.0, 5
#: The next look comes after so many times what this one took, because it counts everything; where
#: there is nothing to do, after that part of the silence so far; and after so many seconds at most.
_LOOKED, _PATIENT, _MOST_PATIENT_S = 3.0, 10.0, 5.0


class Stepped(NamedTuple):
    """What one step did for one replay."""

    #: Its id.
    replay: str
    #: How many operations were sent.
    sent: int = 0
    #: The state it has gone over into, if so, and why, if it stopped by itself.
    state: ReplayState | None = None
    stopped: str = ""
    #: Why not everything could be sent, if so.
    error: SyncpipeError | None = None


class Replayer:
    """Goes on with replays. One thread at a time."""

    def __init__(  # noqa: PLR0913 - the list of its parts
        self,
        replaying: Replaying,
        outcomes: Outcomes,
        broker: Broker,
        *,
        declared: Declared,
        shards: int,
        clock: Clock,
        random: Random,
        why: Callable[[str], str] = lambda _: "",
        lost_s: float = _LOST_S,
    ) -> None:
        """Send what *replaying* lends to what is *declared*, by so many *shards*.

        *why* tells why a target takes nothing now, if that is known; after *lost_s* of silence,
        what was sent may be lost.
        """
        self._replaying = replaying
        self._outcomes = outcomes
        self._broker = broker
        self._parcels = Parcels(declared, shards=shards, clock=clock, random=random)
        self._shards = shards
        self._clock = clock
        self._why = why
        self._lost_s = lost_s

    def step(self) -> Stepped | None:
        """Go on with the replay that has waited longest; None if none waits.

        Raises:
            SyncpipeError: broker or store could not be asked; another step is safe.

        """
        began = self._clock.monotonic()
        turn = self._replaying.take(seconds=_LEASE_S)
        if turn is None:
            return None
        looked_s = self._clock.monotonic() - began
        decision = decide(turn)
        if isinstance(decision, Change):
            return self._change(turn, decision)
        stepped, after_s = Stepped(turn.replay.id), _LOOKED * looked_s
        try:
            if isinstance(decision, Send):
                stepped = self._send(turn, decision)
            else:
                stepped = self._wait(turn)
                after_s = max(after_s, turn.silent_s / _PATIENT)
        finally:
            after_s = min(after_s, _MOST_PATIENT_S)
            self._replaying.end(turn, stopped=stepped.stopped, after_s=after_s)
        return stepped

    def _change(self, turn: Turn, change: Change) -> Stepped:
        changed = self._replaying.end(turn, change.state, stopped=change.stopped)
        new = changed and change.state is not turn.replay.state
        return Stepped(turn.replay.id, state=change.state if new else None, stopped=change.stopped)

    def _send(self, turn: Turn, send: Send) -> Stepped:
        """Send the next, part by part."""
        until = self._clock.monotonic() + _LEASE_S / 2
        after, left, sent, error = (turn.next or 1) - 1, send.most, 0, None
        while left > 0 and self._clock.monotonic() < until:
            items = self._replaying.items(
                turn,
                after=after,
                last=send.last,
                limit=min(left, _MOST_READ),
                max_bytes=_MOST_READ_BYTES,
            )
            if not items:
                break
            after, left = items[-1].number, left - len(items)
            confirmed, failure = self._publish(turn, items)
            sent, error = sent + len(confirmed), error or failure
            if not self._mark(turn, confirmed) or (failure and not confirmed):
                break
        return Stepped(turn.replay.id, sent, stopped=_told(error), error=error)

    def _wait(self, turn: Turn) -> Stepped:
        """Send again what seems lost; say what it waits for, if it has waited for a while."""
        replay = turn.replay
        if turn.silent_s < _TELL_S or not turn.waiting:
            return Stepped(replay.id, stopped=replay.stopped if turn.silent_s else "")
        sent, error = 0, None
        if turn.silent_s >= self._lost_s:
            sent, error = self._send_lost(turn)
        told = _told(error) or self._waits_for(turn)
        return Stepped(replay.id, sent, stopped=told, error=error)

    def _send_lost(self, turn: Turn) -> tuple[int, SyncpipeError | None]:
        """Send again what was sent long ago and is in no queue any more."""
        lost = self._replaying.lost(
            turn, silent_s=self._lost_s, limit=_MOST_READ, max_bytes=_MOST_READ_BYTES
        )
        busy = {target for target in map(_target, lost) if target and self._busy(target)}
        lost = [item for item in lost if _target(item) not in busy]
        over = turn.replay.state is ReplayState.CANCELLED
        unheard = [item for item in lost if over or item.tries >= _MOST_TRIES]
        again = [item for item in lost if not over and item.tries < _MOST_TRIES]
        error = NothingHeard("Nothing was heard of it.")
        self._give_up(turn, [Hopeless(item, error) for item in unheard])
        confirmed, failure = self._publish(turn, again)
        self._mark(turn, confirmed)
        return len(confirmed), failure

    def _busy(self, target: str) -> bool:
        return self._broker.ready(queues_of(target, self._shards)) > 0

    def _publish(
        self, turn: Turn, items: Sequence[Item]
    ) -> tuple[list[Item], SyncpipeError | None]:
        """Publish *items*; return those that are in the broker now, and why others are not."""
        parcels, hopeless = self._parcels.of(turn.replay.id, items)
        confirmed: list[Item] = []
        first_error = None
        for part in parts(parcels, size_of=_size, most=_MOST_READ, most_bytes=_MOST_READ_BYTES):
            verdicts = self._broker.publish(
                [parcel.outbound for parcel in part], timeout_s=_PUBLISH_TIMEOUT_S
            )
            for parcel, error in zip(part, verdicts, strict=True):
                if error is None:
                    confirmed += parcel.items
                elif isinstance(error, QueueMissing) and not parcel.items[0].readable:
                    hopeless.append(Hopeless(parcel.items[0], error))
                else:
                    first_error = first_error or error
        self._give_up(turn, hopeless)
        return confirmed, first_error

    def _mark(self, turn: Turn, items: Sequence[Item]) -> bool:
        """Note that *items* are sent; return whether to go on."""
        burst = burst_s(turn.replay.order)
        return not items or self._replaying.sent(turn, items, seconds=_LEASE_S, burst_s=burst)

    def _give_up(self, turn: Turn, hopeless: Sequence[Hopeless]) -> None:
        """Let what cannot be sent be dead again."""
        self._outcomes.report(
            [
                Report(turn.replay.id, item.letter, Outcome.DEAD, error.code)
                for item, error in hopeless
            ]
        )

    def _waits_for(self, turn: Turn) -> str:
        """Return what the replay waits for, as people read it."""
        waits = [
            f"{number} for {target}{self._because(target)}"
            for target, number in self._replaying.waits_for(turn).items()
        ]
        if turn.scheduled:
            waits.append(f"{turn.scheduled} to be tried later")
        return f"waits: {', '.join(waits)}" if waits else ""

    def _because(self, target: str) -> str:
        why = self._why(target)
        return f" ({why})" if why else ""


def _told(error: SyncpipeError | None) -> str:
    return f"cannot send: {error}" if error else ""


def _target(item: Item) -> str | None:
    lane = parse_queue(item.queue)
    return lane[0].target if lane else None


def _size(parcel: Parcel) -> int:
    return len(parcel.outbound.body)
