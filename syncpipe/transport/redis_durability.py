"""What a Redis says about its own settings that decide what survives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import redis

from syncpipe.errors import BrokerUnavailable, DeliveryTimeout
from syncpipe.transport.redis_link import RedisLink

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock

#: Names in ``redis.conf`` of what decides what a crash or a full memory leaves.
SETTINGS = ("appendonly", "appendfsync", "maxmemory-policy")


def durability(url: str, *, clock: Clock) -> dict[str, str]:
    """Return the `SETTINGS` of the Redis at *url*; what it does not tell us is left out.

    Hosted servers often refuse CONFIG. Raises BrokerUnavailable.
    """
    link = RedisLink(url, clock=clock)
    try:
        link.ask("PING")
        replies = link.exchange([("CONFIG", "GET", name) for name in SETTINGS])
    finally:
        link.close()
    found: dict[str, str] = {}
    for reply in replies:
        if isinstance(reply, DeliveryTimeout):
            raise BrokerUnavailable(reply.message) from reply
        if not isinstance(reply, redis.ResponseError):
            texts = [part.decode() for part in reply]
            found.update(zip(texts[::2], texts[1::2], strict=True))
    return found
