"""What can be set about a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.core.envelope import MAX_OPERATIONS
from syncpipe.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Largest `ClientOptions.batch_max_bytes`: an incompressible batch must still fit an envelope.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: The largest part of `ClientOptions.delivery_timeout_s` that an operation may linger.
LINGER_PART = 1 / 3
#: A try may take a third of the delivery timeout, and begins within the first two thirds.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """How a client buffers, waits and gives up."""

    #: Milliseconds for which an operation waits for company before its envelope is sent.
    linger_ms: float = 5
    #: Operations in one envelope, at most.
    batch_max_ops: int = 500
    #: Bytes of operations in one envelope, at most; a larger operation travels alone.
    batch_max_bytes: int = 1_000_000
    #: Bytes of unconfirmed operations kept in memory, at most.
    buffer_max_bytes: int = 64 * 1024 * 1024
    #: Seconds for which a call waits for room in a full buffer.
    max_block_s: float = 10.0
    #: Seconds after which an operation that is not confirmed has failed.
    delivery_timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuse values that cannot work.

        Raises:
            ConfigError: options are out of range; it names all of them.

        """
        if unfit := {option: (fault, hint) for option, fault, hint in self._faults()}:
            lines = (f"{option}: {fault} {hint}" for option, (fault, hint) in unfit.items())
            raise ConfigError(" ".join(lines), unfit=unfit)

    @property
    def try_timeout_s(self) -> float:
        """Seconds that one try may take."""
        return self.delivery_timeout_s / _TRIES

    @property
    def tries_s(self) -> float:
        """Seconds within which the last try may begin."""
        return self.delivery_timeout_s - self.try_timeout_s

    def _faults(self) -> Iterator[tuple[str, str, str]]:
        """Yield each option that cannot work, what is wrong, and what to write instead."""
        for option in ("linger_ms", "max_block_s"):
            if getattr(self, option) < 0:
                yield option, "It is negative.", "Write 0 or more."
        for option in ("batch_max_ops", "batch_max_bytes", "buffer_max_bytes"):
            if getattr(self, option) < 1:
                yield option, "It is too small.", "Write 1 or more."
        if self.batch_max_ops > MAX_OPERATIONS:
            yield "batch_max_ops", "No envelope holds so many.", f"Write at most {MAX_OPERATIONS}."
        if self.batch_max_bytes > MAX_BATCH_BYTES:
            hint = f"Write at most {MAX_BATCH_BYTES}."
            yield "batch_max_bytes", "No envelope holds so much.", hint
        if self.delivery_timeout_s <= 0:
            yield "delivery_timeout_s", "It is too short.", "Write a number above 0."
        elif self.linger_ms > self.delivery_timeout_s * 1000 * LINGER_PART:
            fault = "What waits so long for company may never be sent."
            yield "linger_ms", fault, "Make it at most a third of client.delivery_timeout_s."
