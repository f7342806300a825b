"""One batch's tries at the target, with the patience for a target that is merely busy."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import tenacity

from syncpipe.errors import (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
    TooSlow,
)
from syncpipe.pipeline.effort import Effort
from syncpipe.resilience.backoff import full_jitter

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.outcome import Result
    from syncpipe.targets.target import Group, Judgement, Target

#: First and longest pause before trying again a target that is busy, seconds.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
#: Most tries of one call, for clocks that stand still.
_MOST_TRIES = 20
_EXPECTED = (
    Refused,
    RefusedForNow,
    TargetBusy,
    TargetMisconfigured,
    TargetThrottled,
    TargetUnavailable,
)


@dataclass(slots=True)
class Attempt:
    """Tries to apply groups. One for each batch: its patience covers the whole batch.

    It is for a target that takes nothing, so the time of calls that it takes is not part of it.
    """

    #: Where they are applied.
    target: Target
    #: The target's clock, milliseconds since the Unix epoch.
    now_ms: int
    #: `Clock.monotonic` after which a busy target is not tried again; each call that it takes puts
    #: that off by its own time.
    until: float
    #: Tells the time.
    clock: Clock
    #: Draws the pauses.
    random: Random
    #: Set when the process wants to end: pauses are cut short, and nothing is tried again.
    stopped: threading.Event
    #: Most records in one call; None: as many as there may be at all.
    together: int | None = None
    #: What the calls were like.
    effort: Effort = field(default_factory=Effort)

    def __call__(self, groups: Sequence[Group]) -> list[Result]:
        """Apply *groups* and return their results; raises as `Target.apply` does.

        An error that the port does not name counts as a refusal for now: isolation finds what it
        belongs to, and nothing is lost on the way.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TargetBusy),
            stop=self._enough,
            wait=self._pause_s,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._once, groups)

    def each(self, groups: Sequence[Group]) -> list[Judgement]:
        """Apply each of *groups* for itself; raises as `Target.apply_each` does.

        Nothing is tried again here: that is not for the middle of a transaction.
        """
        with self._noted(), _named():
            return self.target.apply_each(groups, now_ms=self.now_ms)

    def _once(self, groups: Sequence[Group]) -> list[Result]:
        began = self.clock.monotonic()
        with self._noted(), _named():
            results = self.target.apply(groups, now_ms=self.now_ms)
        self.until += self.clock.monotonic() - began
        return results

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Note how a call fails."""
        try:
            yield
        except TargetBusy:
            self.effort.busy += 1
            raise
        except TooSlow:
            self.effort.slow = True
            raise
        except (Refused, RefusedForNow, TargetMisconfigured):
            self.effort.sought = True
            raise

    def _sleep(self, seconds: float) -> None:
        self.stopped.wait(seconds)

    def _enough(self, state: tenacity.RetryCallState) -> bool:
        return (
            self.stopped.is_set()
            or self.clock.monotonic() >= self.until
            or state.attempt_number >= _MOST_TRIES
        )

    def _pause_s(self, state: tenacity.RetryCallState) -> float:
        return full_jitter(state.attempt_number - 1, _FIRST_PAUSE_S, _LONGEST_PAUSE_S, self.random)


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """Have every error be one that the port names."""
    try:
        yield
    except (*_EXPECTED, MemoryError):
        raise
    except Exception as fault:
        raise RefusedForNow(
            f"The target failed with {fault!r}.", unknown=type(fault).__name__
        ) from fault
