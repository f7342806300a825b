"""Breakers of a fleet against a naive model, whatever happens in whatever order."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from syncpipe.errors import TargetBusy, TargetMisconfigured, TargetUnavailable
from syncpipe.resilience.breaker import LATE_S
from syncpipe.resilience.hold import Hold
from syncpipe.resilience.register import Register, State, newest
from tests.unit.resilience.breakers import Ringside

NAMES = ("a", "b", "c")
ERRORS = (TargetUnavailable("down"), TargetBusy("locked"), TargetMisconfigured("no table"))
#: Less patience than by default, so that more happens.
OPTIONS = {"breaker_failures": 2, "breaker_min_calls": 4}
#: Mostly the same one, so that it gets somewhere.
processes = st.sampled_from((*NAMES, "a", "a", "a"))


class Model:
    """What is known of one process without looking into its breaker."""

    def __init__(self):
        #: Calls under way that began since it was last open.
        self.running = []
        #: Calls under way that began before.
        self.stale = []
        #: How many calls may run at once while it is half-open.
        self.width = 1
        self.state = State.CLOSED
        self.register = Register()


class Fleet(RuleBasedStateMachine):
    """Three processes, messages between them that come late or never, and one clock."""

    @initialize(slots=st.integers(1, 5), seed=st.integers(0, 99))
    def begin(self, slots, seed):
        self.slots = slots
        self.ring = Ringside(*NAMES, slots=slots, seed=seed, **OPTIONS)
        self.models = {name: Model() for name in NAMES}
        self.probes = {}
        #: The newest register for which somebody's success is known.
        self.proven = 0

    def breaker(self, name):
        return self.ring[name]

    def look(self, name, *, passed=False, held=False, told=False):
        """Compare a process with its model, after anything that may have changed it."""
        breaker, model = self.breaker(name), self.models[name]
        before, model.state = model.state, breaker.state
        known, model.register = model.register, breaker.register
        if before is State.HALF_OPEN and passed:
            model.width *= 2
        if model.state is State.OPEN:
            model.stale += model.running
            model.running, model.width = [], 1
        self.check_closing(model, before, held=held)
        if breaker.register != known and breaker.register.state is State.OPEN:
            self.check_period(breaker.register)
            assert told or breaker.register.failures > known.failures

    def settle(self, name):
        """Let happen what is due, as whoever drives a breaker does after everything."""
        self.breaker(name).tick()
        self.look(name)

    def check_closing(self, model, before, *, held):
        """Nobody closes who has not widened step by step, or heard of somebody who has."""
        register = model.register
        if model.state is State.CLOSED and before is State.CLOSED:
            self.proven = max(self.proven, register.number)  # it shows that others were wrong
        elif model.state is State.CLOSED:
            heard = register.state is State.CLOSED and register.number <= self.proven
            widened = before is State.HALF_OPEN and model.width >= self.slots
            assert widened or heard or held, "closed without enough successes"
            self.proven = max(self.proven, register.number)

    def check_period(self, register):
        """Each failure makes the period longer, whoever has noticed the last one."""
        options = self.ring.options
        ceiling_s = options.breaker_probe_s * 2.0 ** (register.failures - 1)
        ceiling_ms = 1000 * min(ceiling_s, options.breaker_probe_max_s)
        assert ceiling_ms / 2 - 1 <= register.period_ms <= ceiling_ms + 1

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 2.9, 5.0, 30.0]))
    def advance(self, seconds):
        self.ring.clock.advance(seconds)
        for name in NAMES:
            self.settle(name)

    @rule(seconds=st.sampled_from([-7200, 7200]))
    def jump(self, seconds):
        self.ring.clock.jump(seconds)

    @rule(name=processes)
    def call(self, name):
        breaker, model = self.breaker(name), self.models[name]
        if not breaker.free:
            return
        assert breaker.hold is not Hold.OPEN
        if breaker.hold is Hold.NONE:
            assert breaker.state is not State.OPEN
        model.running.append(breaker.begin())
        assert len(model.running) <= self.slots
        if breaker.state is State.HALF_OPEN and breaker.hold is Hold.NONE:
            assert len(model.running) <= model.width

    @rule(
        name=processes,
        which=st.integers(0, 9),
        end=st.sampled_from(["passed", "failed", "throttled", "ended"]),
        error=st.sampled_from(ERRORS),
        wait_s=st.sampled_from([None, 0.5, 9.0]),
    )
    def end(self, name, which, end, error, wait_s):
        breaker, model = self.breaker(name), self.models[name]
        calls = model.running + model.stale
        if not calls:
            return
        call = calls[which % len(calls)]
        current = call in model.running
        (model.running if current else model.stale).remove(call)
        before = breaker.state
        match end:
            case "passed":
                breaker.passed(call)
            case "failed":
                breaker.failed(call, error)
            case "throttled":
                breaker.throttled(call, wait_s)
                assert before is State.OPEN or breaker.state is not State.OPEN
            case "ended":
                breaker.ended(call)
        if end == "failed" and current and before is State.HALF_OPEN and breaker.hold is Hold.NONE:
            assert breaker.state is State.OPEN
        self.look(name, passed=current and end == "passed")
        self.settle(name)

    @rule(name=processes)
    def time_out(self, name):
        """A call that nobody answers."""
        self.call(name)
        if self.models[name].running:
            self.advance(self.ring.options.breaker_timeout_s)
            self.end(name, len(self.models[name].running) - 1, "failed", ERRORS[0], None)

    @rule(name=processes, leads=st.booleans())
    def probe(self, name, leads):
        breaker = self.breaker(name)
        due = breaker.probe_due(leads=leads)
        if due is not None:
            self.advance(max(0.0, due - self.ring.clock.monotonic()) + 0.001)
            due = breaker.probe_due(leads=leads)
        if name in self.probes or due is None or due > self.ring.clock.monotonic():
            return
        assert breaker.hold is Hold.NONE
        assert breaker.state is not State.CLOSED
        self.probes[name] = breaker.begin_probe()

    @precondition(lambda self: self.probes)
    @rule(name=processes, passes=st.booleans())
    def answer(self, name, passes):
        if name not in self.probes:
            return
        breaker, call = self.breaker(name), self.probes.pop(name)
        idle = not self.models[name].running
        if passes:
            breaker.probe_passed(call)
        else:
            breaker.probe_failed(call, ERRORS[0])
        self.look(name, passed=passes and idle and breaker.hold is Hold.NONE)
        self.settle(name)

    @rule(name=processes, ends=st.lists(st.sampled_from(["passed", "failed"]), max_size=3))
    def recover(self, name, ends):
        """A probe that passes, and what follows."""
        self.probe(name, leads=True)
        if name in self.probes:
            self.answer(name, passes=True)
        for end in ends:
            self.call(name)
            self.end(name, len(self.models[name].running) - 1, end, ERRORS[1], None)

    @rule()
    def gossip(self):
        for listener in NAMES:
            self.tell("a", listener)
        for listener in NAMES:
            self.tell("b", listener)

    @rule(speaker=processes, listener=processes)
    def tell(self, speaker, listener):
        said, known = self.breaker(speaker).register, self.breaker(listener).register
        self.breaker(listener).hear(newest([said.pack()]))
        assert self.breaker(listener).register == max(said, known)
        self.look(listener, told=True)
        self.settle(listener)

    @rule(name=processes, hold=st.sampled_from(Hold))
    def order(self, name, hold):
        self.breaker(name).obey(hold)
        self.look(name, held=hold is Hold.CLOSED)
        self.settle(name)

    @rule(name=processes)
    def restart(self, name):
        """A new process, which hears of one other."""
        fresh = Ringside(name, slots=self.slots, **OPTIONS)
        fresh[name]._clock = self.ring.clock
        fresh[name]._throttle.until = 0.0
        self.ring.breakers[name] = fresh[name]
        self.models[name] = Model()
        self.probes.pop(name, None)

    @invariant()
    def people_win(self):
        for name in NAMES:
            breaker = self.breaker(name)
            if breaker.hold is Hold.OPEN:
                assert (breaker.free, breaker.claims) == (0, False)
                assert breaker.probe_due(leads=True) is None
            if breaker.hold is Hold.CLOSED:
                assert breaker.claims

    @invariant()
    def who_leaves_a_target_alone_tries_it_again(self):
        for name in NAMES:
            breaker, now = self.breaker(name), self.ring.clock.monotonic()
            if breaker.hold is not Hold.NONE or breaker.state is State.CLOSED:
                continue
            if name in self.probes or self.models[name].running:
                continue
            for leads in (True, False):
                due, wakes = breaker.probe_due(leads=leads), breaker.wakes(leads=leads)
                if breaker.state is State.OPEN or leads:
                    later = [each for each in (due, wakes) if each is not None]
                    longest_s = 2 * self.ring.options.breaker_probe_max_s + LATE_S
                    assert later, "nothing will ever happen"
                    assert min(later) <= now + longest_s

    def teardown(self):
        """Whoever hears of whom first, all come to the same."""
        said = [self.breaker(name).register for name in NAMES]
        for order, name in zip(itertools.permutations(said), NAMES, strict=False):
            for register in order:
                self.breaker(name).hear(register)
        assert {self.breaker(name).register for name in NAMES} == {max(said)}


TestFleet = Fleet.TestCase
TestFleet.settings = settings(stateful_step_count=80)
