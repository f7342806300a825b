"""What the caller of the pipeline does with one message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Acknowledge the message: every operation in it has a durable outcome."""


@dataclass(frozen=True, slots=True)
class Later:
    """Keep the message unacknowledged and give it again."""

    #: Seconds to wait.
    after_s: float
    #: Whether this was an attempt: the message comes back with one more in `Message.attempts`.
    counted: bool


#: What to do with one message.
Verdict = Done | Later
