"""How often, and after which pauses, an operation is tried that its target refuses for now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.resilience.backoff import equal_jitter

if TYPE_CHECKING:
    from syncpipe.core.chance import Random
    from syncpipe.pipeline.options import WorkerOptions

#: The longest pause of an operation that is kept in the process, its message unacknowledged,
#: seconds: RabbitMQ takes back what is held for half an hour, and then the count begins anew.
_LONGEST_HELD_S = 60.0


@dataclass(frozen=True, slots=True)
class Retries:
    """The pauses between the attempts at one operation."""

    #: How many attempts there are, and how long the pauses may be.
    options: WorkerOptions
    #: Draws the pauses.
    random: Random
    #: Whether a schedule keeps what waits; otherwise the process does.
    durable: bool

    def wait_ms(self, attempts: int) -> int | None:
        """Return the pause after so many failed *attempts*, milliseconds; None after the last."""
        if attempts >= self.options.refused_attempts:
            return None
        longest_s = self.options.refused_delay_max_s
        if not self.durable:
            longest_s = min(longest_s, max(_LONGEST_HELD_S, self.options.refused_delay_s))
        pause_s = equal_jitter(attempts - 1, self.options.refused_delay_s, longest_s, self.random)
        return round(1000 * pause_s)
