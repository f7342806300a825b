"""Bringing home the messages of consumers that have died."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.transport.redis_keys import Keys, script
from syncpipe.transport.redis_link import RedisLink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.core.chance import Clock

#: Most messages that one call of a script returns to their lists.
RETURNS_PER_CALL = 1000
#: How long somebody who does not say otherwise counts as alive without a sign of life.
LIFETIME_MS = 5000
#: Seconds between looks at a young watch; it ends when nobody looks for half a lifetime.
_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Returned:
    """Messages of a dead incarnation that went back to their lists."""

    #: The dead one; empty if nobody had died.
    incarnation: str
    #: How many went back in this call.
    count: int
    #: How many are left for the next call.
    left: int
    #: Milliseconds until deaths can be judged.
    watching_ms: int


def patrol(
    run: Callable[..., Any], keys: Keys, *, lifetime_ms: int = LIFETIME_MS, incarnation: str = ""
) -> Returned:
    """Return the messages of one incarnation that has died, if any has, to where they came from.

    *run* carries out a script, given its name, keys and arguments. If *incarnation* is given, that
    one lives for *lifetime_ms* from now. A death is judged only by a watch that has lasted so long,
    kept up by all who patrol together.
    """
    args = (incarnation, lifetime_ms, keys.unacked_prefix, keys.bell_prefix, RETURNS_PER_CALL)
    watching_ms, dead, count, left = run("patrol", [keys.incarnations, keys.watch], *args)
    return Returned(dead.decode(), count, left, watching_ms)


def rescue(
    url: str, *, clock: Clock, key_prefix: str = "", pause: Callable[[float], None] = time.sleep
) -> int:
    """Return what all dead consumers left, when no worker is there to do it.

    Those that live are left alone. Takes until each that there was at the beginning has given a
    sign of life or is dead, about a lifetime; *pause* sleeps for some seconds. *key_prefix* is
    kombu's ``global_keyprefix``. Returns how many messages went back; raises ``BrokerUnavailable``.
    """
    link, keys = RedisLink(url, clock=clock), Keys(key_prefix)

    def run(name: str, names: Sequence[str], *args: str | int) -> Any:
        return link.ask("EVAL", script(name).text, len(names), *names, *args)

    total = 0
    try:
        silent = _lives(link, keys)
        while True:
            returned = patrol(run, keys)
            total += returned.count
            if returned.incarnation:
                continue
            silent &= _lives(link, keys)
            if not silent and not returned.watching_ms:
                return total
            pause(min(_LOOK_S, returned.watching_ms / 1000) or _LOOK_S)
    finally:
        link.close()


def _lives(link: RedisLink, keys: Keys) -> set[tuple[bytes, bytes]]:
    """Return each incarnation with the moment until which it is alive."""
    found = link.ask("ZRANGE", keys.incarnations, 0, -1, "WITHSCORES")
    return set(zip(found[::2], found[1::2], strict=True))
