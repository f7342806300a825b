"""The target's clock: asked now and then, and reckoned in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock
    from syncpipe.targets.target import Target

#: Seconds for which an answer is good: in that time, no clock goes wrong by what would matter.
_GOOD_S = 1.0


class TargetClock:
    """Tells a target's time without a question for each batch. Thread-safe."""

    def __init__(self, target: Target, clock: Clock) -> None:
        """Ask *target*; count with *clock* what has passed since."""
        self._target = target
        self._clock = clock
        #: When the last answer came, monotonic seconds, and what it was.
        self._answer: tuple[float, int] | None = None

    def now_ms(self) -> int:
        """Return the target's time, milliseconds since the Unix epoch.

        Raises:
            TargetError: it had to be asked, and cannot be reached.

        """
        if self._answer is not None:
            came, answer_ms = self._answer
            passed_s = self._clock.monotonic() - came
            if passed_s < _GOOD_S:
                return answer_ms + int(1000 * passed_s)
        answer_ms = self._target.now_ms()
        self._answer = self._clock.monotonic(), answer_ms
        return answer_ms
