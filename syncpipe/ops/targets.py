"""What is done about each target: by people, and by the breakers of the workers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncpipe.ops import traffic
from syncpipe.resilience import hold, register
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import State, digest, newest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from syncpipe.store.pauses import Pause
    from syncpipe.transport.broker import WorkerInfo

#: What is said of a target that people want to be left alone, or called whatever fails.
_WORDS = {Hold.OPEN: "paused", Hold.CLOSED: "kept-closed"}


@dataclass(frozen=True, slots=True)
class TargetState:
    """What is done about one target."""

    #: Its name.
    target: str
    #: closed: it is called; half-open: a little; open: it is left alone, because it fails; paused:
    #: people want that; kept-closed: people want it to be called whatever fails. None: nobody could
    #: tell.
    state: str | None
    #: Milliseconds since the Unix epoch at which that began; None if it was never otherwise.
    since_ms: int | None = None
    #: Who wanted it, or the worker that found it.
    by: str | None = None
    #: Why: what people have said, or the code of the error.
    reason: str | None = None
    #: The most operations that a batch may have for now, the least of all workers', and the most
    #: batches that may run at once, of all of them together. None: no worker tells.
    batch: int | None = None
    at_once: int | None = None

    @property
    def is_left_alone(self) -> bool:
        """Whether it is left alone because it fails."""
        return self.state == State.OPEN.word


def states(
    targets: Iterable[str],
    workers: Sequence[WorkerInfo] | None,
    pauses: Mapping[str, Pause] | None,
) -> tuple[TargetState, ...]:
    """Return what is done about each of *targets*.

    *workers* and *pauses* are None where nobody could tell. What the store does not tell, workers
    may know.
    """
    return tuple(_sized(_state(target, workers, pauses), workers or ()) for target in targets)


def _sized(state: TargetState, workers: Iterable[WorkerInfo]) -> TargetState:
    """Return *state* with the sizes of batches that *workers* tell, if any does."""
    name = traffic.BATCH_OPERATIONS + state.target
    told = [each.counters for each in workers if name in each.counters]
    if not told:
        return state
    at_once = sum(counters.get(traffic.BATCHES + state.target, 0) for counters in told)
    return replace(state, batch=min(counters[name] for counters in told), at_once=at_once)


def _state(
    target: str, workers: Sequence[WorkerInfo] | None, pauses: Mapping[str, Pause] | None
) -> TargetState:
    if pauses is not None and target in pauses and pauses[target].hold is not Hold.NONE:
        pause = pauses[target]
        return TargetState(target, _WORDS[pause.hold], pause.since_ms, pause.by, pause.reason)
    if workers is None:
        return TargetState(target, None)
    if pauses is None:
        said = max((each.counters.get(hold.COUNTER + target, 0) for each in workers), default=0)
        wish, since_ms = Hold.unpack(said)
        if wish is not Hold.NONE:
            return TargetState(target, _WORDS[wish], since_ms)
    shown = newest(each.counters.get(register.COUNTER + target, 0) for each in workers)
    if not shown.number:
        return TargetState(target, State.CLOSED.word)
    names = {digest(each.name): each.name for each in workers}
    return TargetState(
        target, shown.state.word, shown.since_ms, names.get(shown.writer), shown.error_code
    )
