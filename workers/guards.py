"""The breakers of one process, what it tells the fleet of them, and what the log tells of them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from pybreaker import CircuitBreakerListener

from syncpipe.core.routing import Lane
from syncpipe.errors import TargetError, TargetThrottled
from syncpipe.resilience import hold, register
from syncpipe.resilience.backoff import equal_jitter
from syncpipe.resilience.breaker import Breaker
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State, digest, newest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pybreaker import CircuitBreaker, CircuitBreakerState

    from syncpipe.app import App
    from syncpipe.pipeline import Report
    from syncpipe.resilience.call import Call
    from syncpipe.store.pauses import Pause
    from syncpipe.transport.broker import WorkerInfo
    from workers.assignment import Assignment

#: The first and the longest pause of what has failed while its target is still called, seconds.
_FIRST_PATIENCE_S, _LONGEST_PATIENCE_S = 0.1, 1.0
#: Seconds after which what was heard of others no longer tells who probes.
_FRESH_S = 2.0


class Guards:
    """The breakers of all targets.

    They belong to the event loop. Other threads may call `told`, `heard`, `wanted`, `news` and
    `counters`.
    """

    def __init__(self, parts: App, name: str, assignment: Assignment, log: Any) -> None:
        """Guard the targets of the process *name*; *assignment* tells who probes them."""
        self._clock = parts.clock
        self._random = parts.random
        self._shards = parts.settings.shards
        self._assignment = assignment
        self._log = log
        self._slots = {target: _slots(parts, target) for target in parts.settings.targets}
        self._breakers = {
            target: Breaker(
                target,
                parts.settings.guard(target),
                slots=slots,
                clock=parts.clock,
                random=parts.random,
                me=name,
            )
            for target, slots in self._slots.items()
        }
        #: Called when the others are to know something at once.
        self.hurry: Callable[[], None] = lambda: None
        self._heard_at = float("-inf")
        self._present = self._mute = False
        self._said = dict.fromkeys(self._breakers, Register())
        #: What people want, by the store; None before it was ever asked. Until then, by others.
        self._pauses: Mapping[str, Pause] | None = None
        self._rumours: Mapping[str, int] = {}
        self._asked = False
        self._names: Mapping[int, str] = {}
        for target, breaker in self._breakers.items():
            breaker.circuit.add_listener(_Voice(functools.partial(self.changed, target)))

    def __getitem__(self, target: str) -> Breaker:
        """Return the breaker of *target*."""
        return self._breakers[target]

    def slots(self, target: str) -> int:
        """Return how many batches of *target* may run at once when all is well."""
        return self._slots[target]

    # --- what ends a call ---

    def judge(self, target: str, call: Call, report: Report) -> None:
        """Note what *report*, of a batch that was *call*, says about *target*."""
        breaker = self[target]
        throttling = breaker.throttling
        match report.outage:
            case None if report.asked:
                breaker.passed(call)
            case TargetThrottled() as error:
                breaker.throttled(call, error.retry_after_s, took=report.took)
            case TargetError() as error:
                breaker.failed(call, error)
            case _:
                breaker.ended(call)
        if breaker.throttling and not throttling:
            self._say("target-throttled", target, code=TargetThrottled.code)
        elif throttling and not breaker.throttling:
            self._say("target-unthrottled", target)

    def patience_s(self, target: str) -> float:
        """Return for how long to hold what has failed, while *target* is still called."""
        failures = max(0, self[target].circuit.fail_counter - 1)
        return equal_jitter(failures, _FIRST_PATIENCE_S, _LONGEST_PATIENCE_S, self._random)

    def probed(self, target: str, call: Call, error: BaseException | None) -> None:
        """Note that a probe of *target* has ended, with *error* if it does not answer."""
        breaker = self[target]
        if error is None:
            self._say("target-probed", target, passed=True)
            breaker.probe_passed(call)
            return
        breaker.probe_failed(call, error)
        shown = breaker.register
        next_s = shown.period_ms / 1000
        self._say("target-probed", target, passed=False, failures=shown.failures, next_s=next_s)

    def why(self, target: str) -> str:
        """Return why *target* is not called now, as people read it; empty if it is."""
        pause = (self._pauses or {}).get(target)
        if pause is not None and pause.hold is Hold.OPEN:
            return f"paused by {pause.by}"
        breaker = self._breakers.get(target)
        if breaker is None or breaker.state is State.CLOSED:
            return ""
        return "its breaker is open"

    # --- the fleet ---

    def leads(self, target: str) -> bool:
        """Return whether this process probes *target*: the owner of one of its lanes does for all.

        Another lane's with each failure, so that a process which alone cannot reach the target does
        not keep it from the others. Who does not know what the others do probes for itself.
        """
        if self._mute or self._clock.monotonic() - self._heard_at > _FRESH_S:
            return True
        shard = self[target].register.failures % self._shards
        return self._present and Lane(target, shard) in self._assignment.lanes

    def counters(self) -> dict[str, int]:
        """Return what the others are to know."""
        registers = {
            register.COUNTER + target: breaker.register.pack()
            for target, breaker in self._breakers.items()
        }
        return registers | {hold.COUNTER + target: wish for target, wish in self._wishes().items()}

    def told(self, *, present: bool, mute: bool = False) -> None:
        """Note whether the others know that this process lives; *mute* if they cannot be told."""
        self._present, self._mute = present, mute

    def heard(self, peers: Iterable[WorkerInfo]) -> None:
        """Note what *peers* say."""
        self._heard_at = self._clock.monotonic()
        peers = list(peers)
        self._names = {digest(peer.name): peer.name for peer in peers}
        self._said = {
            target: newest(peer.counters.get(register.COUNTER + target, 0) for peer in peers)
            for target in self._breakers
        }
        self._rumours = {
            target: max((peer.counters.get(hold.COUNTER + target, 0) for peer in peers), default=0)
            for target in self._breakers
        }

    def wanted(self, pauses: Mapping[str, Pause]) -> None:
        """Note what people want of targets, by the store."""
        self._pauses = pauses

    def news(self) -> bool:
        """Return whether the event loop has to `heed` what was heard, and does not know it yet.

        So it has while a target is not well: then it matters who leads.
        """
        if self._asked:
            return False
        self._asked = any(
            breaker.state is not State.CLOSED
            or self._said[target] > breaker.register
            or self._wish(target) is not breaker.hold
            for target, breaker in self._breakers.items()
        )
        return self._asked

    def heed(self) -> None:
        """Act on what was heard."""
        self._asked = False
        for target, said in self._said.items():
            self[target].hear(said)
            wish = self._wish(target)
            if wish is not self[target].hold:
                self._tell_wish(target, wish)
                self[target].obey(wish)

    def _wishes(self) -> Mapping[str, int]:
        """Return what people want of targets, as numbers that grow with time."""
        if self._pauses is None:
            return self._rumours
        return {
            target: pause.hold.pack(pause.since_ms)
            for target, pause in self._pauses.items()
            if target in self._breakers
        }

    def _wish(self, target: str) -> Hold:
        wish, _ = Hold.unpack(self._wishes().get(target, 0))
        return wish

    # --- the log ---

    def changed(self, target: str, before: State, state: State) -> None:
        """Tell that the breaker of *target* is in another *state*, or in the same anew."""
        self.hurry()
        shown = self[target].register
        if state is State.OPEN and before is State.CLOSED:
            own = shown.writer == self[target].me
            self._log.error(
                "target-paused",
                target=target,
                code=shown.error_code,
                error=self[target].why if own else None,
                heard_from=None if own else self._names.get(shown.writer, "another worker"),
                next_s=shown.period_ms / 1000,
            )
        elif state is State.HALF_OPEN and before is State.OPEN:
            self._say("target-half-open", target)
        elif state is State.CLOSED and before is not State.CLOSED:
            self._say("target-resumed", target)

    def _tell_wish(self, target: str, wish: Hold) -> None:
        """Tell what people want of *target*, and who and why if the store has said so."""
        events = {
            Hold.OPEN: "target-paused",
            Hold.CLOSED: "target-kept-closed",
            Hold.NONE: "target-resumed",
        }
        pause = (self._pauses or {}).get(target)
        self._say(events[wish], target, by=pause and pause.by, reason=pause and pause.reason)

    def _say(self, event: str, target: str, **details: Any) -> None:
        self._log.warning(event, target=target, **details)


class _Voice(CircuitBreakerListener):
    """Tells of the changes of one breaker."""

    def __init__(self, changed: Callable[[State, State], None]) -> None:
        self._changed = changed

    def state_change(
        self,
        cb: CircuitBreaker,  # noqa: ARG002 - pybreaker's signature
        old_state: CircuitBreakerState | None,
        new_state: CircuitBreakerState,
    ) -> None:
        before = State.named(old_state.name) if old_state else State.CLOSED
        self._changed(before, State.named(new_state.name))


def _slots(parts: App, target: str) -> int:
    """Return how many threads of a process *target* may have: all of them where it is alone."""
    settings = parts.settings
    if len(settings.targets) == 1:
        return settings.worker.threads
    return max(1, int(settings.worker.threads * settings.guard(target).max_share))
