"""For how long to leave a target alone that says that it was asked too often."""

from __future__ import annotations

#: Shortest and longest pause, whatever the target says, seconds.
_SHORTEST_S, _LONGEST_S = 1.0, 300.0
#: What is added with each time in a row, where it does not say for how long, seconds.
_STEP_S = 1.0


class Throttle:
    """Pauses, each as long as the target says, or 1 s, 2 s, 3 s and so on. Monotonic seconds."""

    def __init__(self) -> None:
        """Begin well."""
        #: Until when to wait.
        self.until = 0.0
        self._times = 0

    @property
    def told_so(self) -> bool:
        """Whether the target has said so since it took everything."""
        return self._times > 0

    def told(self, now: float, said_s: float | None, *, took: bool) -> None:
        """Note that the target wants to be left alone for *said_s* seconds, if it said.

        *took* is whether it took something before. Calls that ran side by side are told together:
        that counts once, and the longest time holds.
        """
        if took:
            self._times = 1
        elif now >= self.until:
            self._times += 1
        pause_s = self._times * _STEP_S if said_s is None else said_s
        self.until = max(self.until, now + min(max(pause_s, _SHORTEST_S), _LONGEST_S))

    def passed(self) -> None:
        """Note that the target took everything."""
        self._times = 0

    def clear(self) -> None:
        """End the pause."""
        self.until, self._times = 0.0, 0
