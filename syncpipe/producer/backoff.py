"""How long what could not be sent waits before it is sent again: exponential, with full jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.resilience.backoff import full_jitter

if TYPE_CHECKING:
    from syncpipe.core.chance import Random
    from syncpipe.producer.options import ClientOptions

#: Seconds before the second try at most, and before any other.
_FIRST_S, _LONGEST_S = 0.05, 1.0
#: The longest, as a part of the delivery timeout.
_PART = 0.1


class Backoff:
    """Grows with rounds that fail, one after the other."""

    def __init__(self, random: Random, options: ClientOptions) -> None:
        """Draw from *random*, within *options*."""
        self._random = random
        self._longest_s = min(_LONGEST_S, options.delivery_timeout_s * _PART)
        #: Rounds in a row of which some parcel was not confirmed.
        self.failures = 0

    def count(self, *, failed: bool) -> None:
        """Count a round."""
        self.failures = self.failures + 1 if failed else 0

    def seconds(self) -> float:
        """Return how long to wait now."""
        return full_jitter(self.failures, _FIRST_S, self._longest_s, self._random)
