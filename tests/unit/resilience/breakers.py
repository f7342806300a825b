"""Breakers on a clock that moves when told."""

from __future__ import annotations

from syncpipe.errors import TargetUnavailable
from syncpipe.resilience.breaker import Breaker
from syncpipe.resilience.options import GuardOptions
from syncpipe.testing.clock import FakeClock, SeededRandom

DOWN = TargetUnavailable("down")


class Ringside:
    """Breakers of several processes for one target, and the calls that they make."""

    def __init__(self, *names, slots=4, seed=0, **options):
        self.clock = FakeClock()
        self.options = GuardOptions(**options)
        self.breakers = {
            name: Breaker(
                "crm",
                self.options,
                slots=slots,
                clock=self.clock,
                random=SeededRandom(seed + number),
                me=name,
            )
            for number, name in enumerate(names or ("a",))
        }

    def __getitem__(self, name):
        return self.breakers[name]

    def share(self):
        """Let everybody hear of everybody."""
        newest = max(each.register for each in self.breakers.values())
        for each in self.breakers.values():
            each.hear(newest)

    def fail(self, name="a", error=DOWN, *, times=1, took_s=0.0):
        """Let calls fail, one after the other."""
        for _ in range(times):
            call = self[name].begin()
            self.clock.advance(took_s)
            self[name].failed(call, error)

    def succeed(self, name="a", *, times=1, took_s=0.0):
        """Let calls pass, one after the other."""
        for _ in range(times):
            call = self[name].begin()
            self.clock.advance(took_s)
            self[name].passed(call)

    def open(self, name="a"):
        """Let a process find out that the target is down."""
        self.fail(name, times=self.options.breaker_failures)

    def wait(self, name="a"):
        """Wait until the next probe of a process is due."""
        due = self[name].probe_due(leads=True)
        self.clock.advance(max(0.0, due - self.clock.monotonic()) + 0.001)

    def probe(self, name="a", error=None):
        """Wait until a probe is due, and have it end."""
        self.wait(name)
        call = self[name].begin_probe()
        if error:
            self[name].probe_failed(call, error)
        else:
            self[name].probe_passed(call)

    def let_one_try(self):
        """Let all know that the target is down, and a probe of the first process pass."""
        self.open()
        self.share()
        self.probe()
