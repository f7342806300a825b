"""What can be set about a client."""

from __future__ import annotations

from dataclasses import dataclass

from syncpipe.errors import ConfigError

#: Largest `ClientOptions.batch_max_bytes`: an incompressible batch must still fit an envelope.
MAX_BATCH_BYTES = 4 * 1024 * 1024
#: The largest part of `ClientOptions.delivery_timeout_s` that an operation may linger.
LINGER_PART = 1 / 3


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
            ConfigError: an option is out of range.

        """
        if self.linger_ms < 0 or self.max_block_s < 0:
            raise ConfigError("linger_ms and max_block_s must not be negative.")
        if self.batch_max_ops < 1 or self.buffer_max_bytes < 1 or self.delivery_timeout_s <= 0:
            raise ConfigError(
                "batch_max_ops, buffer_max_bytes and delivery_timeout_s must be positive."
            )
        if not 1 <= self.batch_max_bytes <= MAX_BATCH_BYTES:
            raise ConfigError(f"batch_max_bytes must be between 1 and {MAX_BATCH_BYTES}.")
        if self.linger_ms > self.delivery_timeout_s * 1000 * LINGER_PART:
            raise ConfigError(
                "linger_ms must be at most a third of delivery_timeout_s: what waits longer for "
                "company may never be sent."
            )
