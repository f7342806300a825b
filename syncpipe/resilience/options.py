"""How a target is guarded: when it is left alone, how it is tried again, how much it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.resilience.quota import parse_quota

if TYPE_CHECKING:
    from syncpipe.resilience.quota import Quota


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """Options of ``[targets.NAME]`` that do not depend on its type."""

    #: Operations that it gets in a time from all processes together, such as "1000/min", with s,
    #: min or h; empty: as many as there are.
    rate: str = ""
    #: Operations of these that may begin at once after a pause; by default one second's worth.
    burst: int | None = None
    #: Largest share of a process's threads that it gets, where there are several targets.
    max_share: float = 0.5
    #: Seconds that a batch should take at most: where one takes longer, the next ones are smaller.
    latency_limit_s: float = 2.0
    #: Calls that fail one after the other until it is left alone; those that ran side by side count
    #: once.
    breaker_failures: int = 5
    #: Share of the calls in the window that fail until it is left alone.
    breaker_failure_ratio: float = 0.5
    #: Calls in the window without which no share counts.
    breaker_min_calls: int = 20
    #: Seconds that the window reaches back.
    breaker_window_s: float = 30.0
    #: Seconds after which a call that fails counts as a timeout: one is enough.
    breaker_timeout_s: float = 3.0
    #: Seconds after which a call that has not ended counts as a timeout too, if no other has passed
    #: since it began; longer than a batch may take in which the target is slow at many operations.
    breaker_hang_s: float = 240.0
    #: Seconds after which a call counts as slow.
    breaker_slow_s: float = 60.0
    #: Share of the calls in the window that are slow until it is left alone.
    breaker_slow_ratio: float = 0.9
    #: Seconds before the first probe of a target that is left alone; each further pause is twice as
    #: long.
    breaker_probe_s: float = 1.0
    #: The longest of these pauses, seconds.
    breaker_probe_max_s: float = 20.0

    @property
    def quota(self) -> Quota | None:
        """How many operations it gets; None if that is not limited. Raises ValueError."""
        return parse_quota(self.rate, self.burst) if self.rate else None
