"""Whether one process may call a target, and how often at once.

The states are pybreaker's, and so is the interface of listeners. Its `call` is not used: it holds
a lock around the call, counts only failures in a row, and lets every process probe at once.

One thread drives a breaker: it says when a call begins and how it ended, and asks what is allowed.
Nothing here waits, locks or talks to anybody. The fleet's side is `Breaker.hear` and
`Breaker.register`: what one process finds out, all know; see `syncpipe.resilience.register`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pybreaker import CircuitBreaker, CircuitMemoryStorage

from syncpipe.errors import TargetUnavailable
from syncpipe.resilience.backoff import equal_jitter
from syncpipe.resilience.call import Call
from syncpipe.resilience.evidence import Evidence
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State, countable, digest, digits
from syncpipe.resilience.throttle import Throttle

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock, Random
    from syncpipe.resilience.options import GuardOptions

#: Seconds for which the prober waits for a message to try, before a passed probe counts for all.
TRIAL_S = 1.0
#: Seconds beyond the second period after which a process no longer relies on the prober.
LATE_S = 40.0
#: Seconds after which a probe that has not ended has failed.
_PROBE_S = 30.0
_HANGS = TargetUnavailable("The target does not answer: a call does not end.")
#: Seconds after a call has passed for which a process does not believe at once that others fail.
_RECENT_S = 1.0
#: Seconds of a throttled target's pause for which its messages are held, rather than returned.
_HOLD_S = 5.0


class Breaker:
    """The breaker of one target in one process; the docs draw its states."""

    def __init__(
        self, name: str, options: GuardOptions, *, slots: int, clock: Clock, random: Random, me: str
    ) -> None:
        """Guard the target *name*, which gets *slots* calls at once when all is well.

        *me* is the name of the process.
        """
        self._counter = CircuitMemoryStorage(State.CLOSED.word)
        #: pybreaker's, whose listeners hear of every change.
        self.circuit = CircuitBreaker(
            fail_max=options.breaker_failures, state_storage=self._counter, name=name
        )
        #: What the fleet agrees on, as far as this process knows.
        self.register = Register()
        #: Why this process has left the target alone the last time, for people.
        self.why = ""
        #: What people want.
        self.hold = Hold.NONE
        self._options = options
        self._most = self._width = slots
        self._clock = clock
        self._random = random
        #: `digest` of the name of the process.
        self.me = digest(me)
        self._evidence = Evidence(options)
        self._throttle = Throttle()
        self._epoch = 0
        #: When each call that runs began; those from before it was last open say nothing.
        self._running: list[float] = []
        #: How often this process itself has opened, until something passes.
        self._own = 0
        #: Until when the target is left alone; and for how long by what this process itself saw.
        self._until = self._own_until = 0.0
        self._probing: Call | None = None
        #: When something was last tried.
        self._tried = 0.0
        #: Until when only this process tries the target, after its probe; None when it does not.
        self._trial_until: float | None = None
        #: When a call has last passed.
        self._passed = float("-inf")
        #: Until when a call may show that others were wrong to open; None when none has.
        self._doubt_until: float | None = None

    # --- what is allowed ---

    @property
    def state(self) -> State:
        """What this process does about the target, if people let it."""
        return State.named(self.circuit.current_state)

    @property
    def throttling(self) -> bool:
        """Whether the target takes less than it gets."""
        return self._throttle.told_so

    @property
    def claims(self) -> bool:
        """Whether messages for the target are wanted."""
        if self.hold is not Hold.NONE:
            return self.hold is Hold.CLOSED
        long = self._throttle.until - self._clock.monotonic() > _HOLD_S
        return self.state is not State.OPEN and not long

    @property
    def free(self) -> int:
        """How many more calls may begin now."""
        if self.hold is Hold.OPEN or self._clock.monotonic() < self._throttle.until:
            return 0
        if self.hold is Hold.CLOSED:
            return max(0, self._most - len(self._running))
        if self.state is State.OPEN:
            return 0
        width = self._width if self._doubt_until is None else 1
        return max(0, width - len(self._running))

    @property
    def small(self) -> bool:
        """Whether the next call should be as small as possible."""
        trying = self._most > 1 or self.state is State.HALF_OPEN
        narrow = self._width == 1 or self._doubt_until is not None
        return trying and narrow and self.hold is not Hold.CLOSED

    def wakes(self, *, leads: bool) -> float | None:
        """Return when something may change by itself, in monotonic seconds; None if nothing will.

        *leads* tells whether this process probes for the others.
        """
        if self.hold is Hold.OPEN:
            return None
        times = [self._trial_until, self._doubt_until, self.probe_due(leads=leads)]
        times.append(self._own_until if self._follows_later else None)
        times += [self._throttle.until, self._hangs_at]
        now = self._clock.monotonic()
        return min((each for each in times if each is not None and each > now), default=None)

    def tick(self) -> None:
        """Let happen what happens by itself with time."""
        now = self._clock.monotonic()
        if self._doubt_until is not None and now >= self._doubt_until:
            self._leave(self.register.period_ms / 1000)
        if self._trial_until is not None and now >= self._trial_until and not self._running:
            self._confirm()
        if self._follows_later and now >= self._own_until:
            self._return()
        if self._hangs_at is not None and now >= self._hangs_at:
            self._fail(_HANGS)
            self._open(str(_HANGS), digits(_HANGS))

    # --- calls ---

    def begin(self) -> Call:
        """Note that a call begins."""
        self._tried = self._clock.monotonic()
        self._running.append(self._tried)
        return Call(self._epoch, self._tried)

    def passed(self, call: Call) -> None:
        """Note that a call has ended, and the target took it."""
        if not self._ended(call):
            return
        now = self._passed = self._clock.monotonic()
        slow = self._evidence.passed(now, now - call.began)
        self._throttle.passed()
        self._succeed()
        if self._doubt_until is not None:
            self._resolve(takes=not slow)
        elif slow and self._opens(call, None):
            self._open("Too many calls are slow.", 0)
        else:
            self._widen()

    def failed(self, call: Call, error: BaseException) -> None:
        """Note that a call has ended with *error*, which is the target's."""
        if not self._ended(call):
            return
        now = self._clock.monotonic()
        if self._evidence.failed(now, now - call.began):
            self._counter.increment_counter()
        self._fail(error)
        if self._doubt_until is not None:
            self._own += 1
            self._own_until = now + self.register.period_ms / 1000
            self._leave(self.register.period_ms / 1000)
        elif self._opens(call, error):
            self._open(str(error), digits(error))

    def throttled(self, call: Call, wait_s: float | None, *, took: bool = False) -> None:
        """Note that the target takes no more for *wait_s* seconds; None where it did not say.

        *took* tells whether it took something before it said so.
        """
        self._throttle.told(self._clock.monotonic(), wait_s, took=took)
        self._width = 1
        if not self._ended(call):
            return
        if self._doubt_until is not None:
            self._resolve(takes=True)
        elif self._trial_until is not None:
            self._confirm()

    def ended(self, call: Call) -> None:
        """Note that a call has ended that says nothing about the target."""
        if self._ended(call) and self._doubt_until is not None:
            self._resolve(takes=False)

    # --- probes ---

    def probe_due(self, *, leads: bool) -> float | None:
        """Return when to probe next; None if that is not for this process to do, or not now.

        Whoever *leads* probes for all; the others only when that has not happened for very long.
        """
        if self._probing is not None or self.hold is not Hold.NONE or self._trial_until is not None:
            return None
        if self.state is State.OPEN and not self._follows_later:
            return self._until + (0.0 if leads else self.register.period_ms / 1000 + LATE_S)
        if self.state is State.HALF_OPEN and leads and not self._running:
            return max(self._tried + self._options.breaker_probe_s, self._throttle.until)
        return None

    def begin_probe(self) -> Call:
        """Note that a probe begins: a call that takes no operations."""
        self._tried = self._clock.monotonic()
        self._probing = Call(self._epoch, self._tried)
        return self._probing

    def probe_passed(self, call: Call) -> None:
        """Note that the target answers: it is tried, by this process first."""
        if not self._probed(call):
            return
        if self.state is State.OPEN:
            self._trial_until = self._clock.monotonic() + TRIAL_S
            self._width = 1
            self.circuit.half_open()
        elif not self._running:
            self._succeed()
            self._widen()

    def probe_failed(self, call: Call, error: BaseException) -> None:
        """Note that the target does not answer."""
        if self._probed(call) and self.state is not State.CLOSED:
            self._fail(error)
            self._open(str(error), digits(error))

    # --- others ---

    def hear(self, register: Register) -> None:
        """Take in what another process says of the target; only what is newer matters."""
        if register <= self.register:
            return
        self.register = register
        if self.hold is Hold.CLOSED:
            return
        now, period_s = self._clock.monotonic(), register.period_ms / 1000
        if register.state is not State.OPEN:
            self._doubt_until = self._trial_until = None
            if self.state is State.OPEN and now >= self._own_until:
                self._return()
            elif self.state is State.HALF_OPEN and register.state is State.CLOSED:
                self._probing = None
                self.circuit.close()
        elif self.state is State.OPEN:
            self._until = now + period_s
        elif self._running or now - self._passed <= _RECENT_S:
            self._doubt_until = now + self._options.breaker_timeout_s
        else:
            self._leave(period_s)

    def obey(self, hold: Hold) -> None:
        """Do what people want from now on. When they want nothing more, begin with a little."""
        if hold is self.hold:
            return
        self.hold = hold
        self._throttle.clear()
        if hold is Hold.CLOSED:
            self._width = self._most
            self._close()
        elif hold is Hold.NONE:
            self._width = 1
            if self.state is not State.OPEN and self.register.state is State.OPEN:
                self._leave(0.0)
            self._until = self._own_until = self._clock.monotonic()

    @property
    def _follows_later(self) -> bool:
        """Whether others call the target, and this process waits because it cannot."""
        return self.state is State.OPEN and self.register.state is not State.OPEN

    @property
    def _hangs_at(self) -> float | None:
        """When a probe, or a call since which none has passed, is given up; None if none is."""
        if self.hold is not Hold.NONE:
            return None
        if self._probing is not None and self._probing.epoch == self._epoch:
            return self._probing.began + _PROBE_S
        hanging = [began for began in self._running if began >= self._passed]
        return min(hanging) + self._options.breaker_hang_s if hanging else None

    def _ended(self, call: Call) -> bool:
        """Note that a call has ended; return whether it says anything about the target now."""
        if call.epoch != self._epoch:
            return False
        self._running.remove(call.began)
        return True

    def _probed(self, call: Call) -> bool:
        """Note that a probe has ended; return whether it says anything about the target now."""
        if call == self._probing:
            self._probing = None
        return call.epoch == self._epoch and self.hold is Hold.NONE and not self._follows_later

    def _opens(self, call: Call, error: BaseException | None) -> bool:
        """Return whether the target is to be left alone, after a call that ended with *error*."""
        if self.hold is not Hold.NONE:
            return False
        if self.state is State.HALF_OPEN or self.circuit.fail_counter >= self.circuit.fail_max:
            return True
        now = self._clock.monotonic()
        return self._evidence.suffices(now, now - call.began, error)

    def _succeed(self) -> None:
        self._own = 0
        self._counter.reset_counter()
        for listener in self.circuit.listeners:
            listener.success(self.circuit)

    def _fail(self, error: BaseException) -> None:
        for listener in self.circuit.listeners:
            listener.failure(self.circuit, error)

    def _open(self, why: str, code: int) -> None:
        """Leave the target alone, because of what this process has seen, and tell everybody."""
        self._own += 1
        failures = countable(max(self.register.failures + 1, self._own))
        first_s, longest_s = self._options.breaker_probe_s, self._options.breaker_probe_max_s
        period_s = equal_jitter(failures - 1, first_s, longest_s, self._random)
        self._own_until = self._clock.monotonic() + period_s
        self._write(State.OPEN, failures, period_ms=round(period_s * 1000), code=code)
        self.why = why
        self._leave(period_s)

    def _leave(self, period_s: float) -> None:
        """Leave the target alone for so long. What runs says nothing about the time after."""
        self._epoch += 1
        self._running.clear()
        self._doubt_until = self._trial_until = self._probing = None
        self._until = self._clock.monotonic() + period_s
        self._evidence.clear()
        self.circuit.open()

    def _return(self) -> None:
        """Call the target a little, because others can."""
        self._width, self._probing = 1, None
        if self.register.state is State.CLOSED:
            self.circuit.close()
        else:
            self.circuit.half_open()

    def _confirm(self) -> None:
        """Tell all that the target may be tried."""
        self._doubt_until = self._trial_until = None
        self._write(State.HALF_OPEN, self.register.failures)
        self.circuit.half_open()

    def _widen(self) -> None:
        """Allow twice as many calls after one that has passed; close when those are all."""
        self._width = min(self._most, 2 * self._width)
        if self.state is not State.HALF_OPEN:
            return
        if self._width == self._most:
            self._close()
        elif self._trial_until is not None:
            self._confirm()

    def _close(self) -> None:
        """Tell all that the target is well."""
        self._doubt_until = self._trial_until = self._probing = None
        self._evidence.clear()
        self._write(State.CLOSED, 0)
        self.circuit.close()

    def _resolve(self, *, takes: bool) -> None:
        """Tell those who have opened that the target *takes* calls, or believe them in the end."""
        if takes and self.state is State.HALF_OPEN:
            self._confirm()
            self._widen()
        elif takes:
            self._close()
        elif not self._running:
            self._leave(self.register.period_ms / 1000)

    def _write(self, state: State, failures: int, *, period_ms: int = 0, code: int = 0) -> None:
        """Set the register to what all are to know."""
        number, same = self.register.number + 1, state is self.register.state
        since_ms = self.register.since_ms if same else self._clock.now_ms()
        self.register = Register(number, state, failures, period_ms, since_ms, code, self.me)
