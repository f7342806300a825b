"""Deadlines that pass by a broker's time and not by the machine's, however slow that is."""

from __future__ import annotations

from syncpipe.system import SystemClock


class SkippingClock(SystemClock):
    """The machine's clock, on which any time passes at once when it is skipped."""

    def __init__(self):
        self._skipped_s = 0.0

    def monotonic(self):
        return super().monotonic() + self._skipped_s

    def skip(self, seconds):
        self._skipped_s += seconds


class SlowBroker:
    """A broker that takes as long over each answer as it may, which *clock* skips."""

    def __init__(self, broker, clock):
        self._broker = broker
        self._clock = clock

    def __getattr__(self, name):
        return getattr(self._broker, name)

    def publish(self, messages, *, timeout_s):
        self._clock.skip(timeout_s)
        return self._broker.publish(messages, timeout_s=timeout_s)
