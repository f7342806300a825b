"""For how long to wait when a target says that it was asked too often."""

from __future__ import annotations

#: The longest pause, seconds, where the target does not say for how long.
_LONGEST_GUESS_S = 60.0
#: The longest pause, seconds, whatever it says.
_LONGEST_S = 3600.0


class Throttle:
    """Pauses, each as long as the target says, or 1 s, 2 s, 3 s and so on. Monotonic seconds."""

    def __init__(self) -> None:
        """Begin without a pause."""
        #: Until when to wait.
        self.until = 0.0
        self._pauses = 0

    def refused(self, now: float, began: float, wait_s: float | None) -> None:
        """Note that a call that *began* then was refused, for *wait_s* seconds if it was told.

        Calls that ran side by side are refused together: that counts once.
        """
        if began >= self.until:
            self._pauses += 1
        if wait_s is None:
            wait_s = min(float(self._pauses), _LONGEST_GUESS_S)
        self.until = max(self.until, now + min(max(0.0, wait_s), _LONGEST_S))

    def passed(self) -> None:
        """Note that a call was taken: the next pause is a first one."""
        self._pauses = 0

    def clear(self) -> None:
        """End the pause."""
        self.until, self._pauses = 0.0, 0
