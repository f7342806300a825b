"""What the calls of one process say about a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.errors import TargetUnavailable
from syncpipe.resilience.window import Window

if TYPE_CHECKING:
    from syncpipe.resilience.options import GuardOptions


class Evidence:
    """Counts how calls end. Times are monotonic seconds."""

    def __init__(self, options: GuardOptions) -> None:
        """Judge by *options*."""
        self._options = options
        self._window = Window(options.breaker_window_s)
        self._counted = 0.0

    def passed(self, now: float, took_s: float) -> bool:
        """Note that a call has passed; return whether it was slow."""
        slow = took_s >= self._options.breaker_slow_s
        self._window.add(now, slow=slow)
        return slow

    def failed(self, now: float, took_s: float) -> bool:
        """Note that a call has failed; return whether it is another failure.

        It is the same one as another's if it ran beside that.
        """
        self._window.add(now, failed=True)
        another = now - took_s >= self._counted
        if another:
            self._counted = now
        return another

    def suffices(self, now: float, took_s: float, error: BaseException | None) -> bool:
        """Return whether the target is to be left alone, after a call that ended with *error*.

        None stands for one that was slow.
        """
        options = self._options
        timeout = isinstance(error, TargetUnavailable) and took_s >= options.breaker_timeout_s
        failed, slow = self._window.shares(now, least=options.breaker_min_calls)
        return (
            timeout or failed >= options.breaker_failure_ratio or slow >= options.breaker_slow_ratio
        )

    def clear(self) -> None:
        """Forget everything."""
        self._window.clear()
