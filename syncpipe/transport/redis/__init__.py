"""The claim transport: kombu on Redis without the moment in which a message is nowhere.

Importing this module puts it in the place of kombu's own transport, for the URL schemes ``redis``,
``rediss`` and ``redis+socket``: that one line is all a Celery project needs. It must run before the
first connection is made. ``docs/transport.md`` says what changes and what does not.
"""

from __future__ import annotations

from kombu import transport as _kombu

from syncpipe.transport.redis.transport import Transport

for _alias in ("redis", "rediss"):
    _kombu.TRANSPORT_ALIASES[_alias] = "syncpipe.transport.redis.transport:Transport"
    # kombu remembers the class of every alias it has been asked for.
    _kombu._transport_cache.pop(_alias, None)  # noqa: SLF001

__all__ = ["Transport"]
