"""How much of a Redis its keys occupy, as it says itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.transport.redis_link import RedisLink

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock

#: Looks at every element of a key, not at a sample.
_ALL = ("SAMPLES", 0)
#: Seconds for both exchanges, because large keys take their time.
_TIMEOUT_S = 60.0


def footprint_bytes(url: str, *, clock: Clock) -> int:
    """Return the bytes that all keys of the Redis at *url* occupy. For a Redis of our own.

    Raises BrokerUnavailable or DeliveryTimeout.
    """
    link = RedisLink(url, clock=clock)
    try:
        keys = link.ask("KEYS", "*")
        commands = [("MEMORY", "USAGE", key, *_ALL) for key in keys]
        sizes = link.exchange(commands, timeout_s=_TIMEOUT_S) if commands else []
        return sum(size for size in sizes if isinstance(size, int))
    finally:
        link.close()
