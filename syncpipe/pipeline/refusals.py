"""Remembers what the target has said of messages that could not be finished in one turn.

The time for a batch may be over before everything in it was tried, as where many are slow. Then its
message comes again as a whole. What was refused or taken is not tried anew then, so that the time
goes to the rest: each turn gets further, and in the last one everything has its result, and what
was refused is counted once. Who has forgotten, as a process that was started again, tries it anew.

What the target was busy with is tried again, but after the rest.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from syncpipe.core.outcome import Outcome, Result
from syncpipe.errors import Refused, RefusedForNow, TargetBusy, TooSlow
from syncpipe.pipeline.fold import Identity, identity

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from syncpipe.core.chance import Clock
    from syncpipe.errors import SyncpipeError
    from syncpipe.pipeline.batch import Batch, Item

#: Most operations that are remembered; the oldest are forgotten first.
_MOST = 10_000
#: Seconds after which one is forgotten whose message has not come again: much may have changed.
_LONGEST_S = 600.0
_REFUSALS = Refused, RefusedForNow
#: What the target would say to who tries again what it has taken.
_AGAIN = {
    Outcome.APPLIED: Outcome.DUPLICATE,
    Outcome.MERGED: Outcome.DUPLICATE,
    Outcome.DUPLICATE: Outcome.DUPLICATE,
    Outcome.SUPERSEDED: Outcome.SUPERSEDED,
}


class _Saying(NamedTuple):
    #: What became of the operation, which is not kept itself.
    outcome: Outcome
    #: Why, unless the target holds its effect.
    error: SyncpipeError | None
    #: How many attempts there were before; with another number it is another attempt.
    attempts: int
    #: `Clock.monotonic` at which it is forgotten.
    until: float


class Refusals:
    """What one target has said of messages that are still open, in this process. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """Remember nothing yet."""
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Identity, _Saying] = {}

    @property
    def remembers(self) -> bool:
        """Whether there is anything that could have to be forgotten."""
        return bool(self._known)

    def known(self, batch: Batch) -> dict[Identity, Result]:
        """Return what became of those operations of *batch* whose attempt has been made already."""
        return {
            key: Result(item.operation, said.outcome, said.error)
            for key, item, said in self._said(batch)
            if not isinstance(said.error, TargetBusy)
        }

    def busy(self, batch: Batch) -> set[Identity]:
        """Return those operations of *batch* with which the target was busy in their last turn."""
        return {key for key, _, said in self._said(batch) if isinstance(said.error, TargetBusy)}

    def _said(self, batch: Batch) -> list[tuple[Identity, Item, _Saying]]:
        """Return what is remembered of *batch* and holds."""
        now, found = self._clock.monotonic(), []
        with self._lock:
            for item in batch.items if self._known else ():
                key = identity(item.operation)
                said = self._known.get(key)
                if said and said.until > now and said.attempts == batch.attempts(item):
                    found.append((key, item, said))
        return found

    def note(
        self,
        batch: Batch,
        results: Mapping[Identity, Result],
        *,
        untried: Collection[int],
        busy: Collection[int],
    ) -> None:
        """Remember what of *results* need not be tried again with its message of *batch*.

        That is what was refused or taken of messages that hold something *untried*, and what is
        slow of those that come again because the target is *busy*. What it is busy with comes again
        in any case. Everything else of the batch is forgotten.
        """
        until = self._clock.monotonic() + _LONGEST_S
        with self._lock:
            if not (untried or busy or self._known):
                return
            for item in batch.items:
                key = identity(item.operation)
                before = self._known.pop(key, None)
                if (result := results.get(key)) is None:
                    if before and isinstance(before.error, TargetBusy):
                        self._known[key] = before._replace(until=until)
                    continue
                outcome, error = _AGAIN.get(result.outcome, result.outcome), result.error
                slow = item.message in busy and isinstance(error, TooSlow | TargetBusy)
                said = isinstance(error, _REFUSALS) or result.outcome in _AGAIN
                if slow or (said and item.message in untried):
                    self._known[key] = _Saying(outcome, error, batch.attempts(item), until)
            for old in list(self._known)[:-_MOST]:
                del self._known[old]
