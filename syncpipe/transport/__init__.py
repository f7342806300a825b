"""Brokers: the port, and what opens its adapters.

Importing this package imports no broker library; opening a broker does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncpipe.errors import ConfigError
from syncpipe.transport.broker import Reclaimed
from syncpipe.transport.dialect import is_rabbitmq

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock
    from syncpipe.transport.broker import Broker

_REDIS_SCHEMES = frozenset({"redis", "rediss", "redis+socket"})


def open_broker(url: str, *, clock: Clock, management_url: str = "auto") -> Broker:
    """Open the broker at *url*, in the form that Celery's ``broker_url`` takes.

    Nothing is connected yet: the first verb does that. *clock* dates messages and measures
    deadlines. *management_url* is that of RabbitMQ's management API, which only looking needs;
    ``auto`` is port 15672 of the broker's host. Raises :class:`~syncpipe.errors.ConfigError` for a
    scheme that no adapter serves.
    """
    if is_rabbitmq(url):
        from syncpipe.transport.rabbitmq.broker import RabbitBroker  # noqa: PLC0415 - loads slowly

        return RabbitBroker(url, clock=clock, management_url=management_url)
    _refuse_unknown(url)
    from syncpipe.transport.redis_broker import RedisBroker  # noqa: PLC0415 - redis loads slowly

    return RedisBroker(url, clock=clock)


def rescue(url: str, *, clock: Clock, key_prefix: str = "") -> Reclaimed:
    """Return what dead workers left unacknowledged in the broker at *url*, when none is left.

    On Redis it takes some seconds: whoever lives has that long to say so, and keeps what it holds.
    There, *key_prefix* is the ``global_keyprefix`` of a Celery project that has one. RabbitMQ does
    it by itself; there, what it has set aside goes back. Returns how many messages went back to
    their queues, and how many did not. Raises :class:`~syncpipe.errors.ConfigError` as
    :func:`open_broker` does, :class:`~syncpipe.errors.BrokerUnavailable`, and
    :class:`~syncpipe.errors.BrokerUnsupported`.
    """
    if is_rabbitmq(url):
        with open_broker(url, clock=clock) as broker:
            return broker.reclaim()
    _refuse_unknown(url)
    from syncpipe.transport import redis_patrol  # noqa: PLC0415 - redis loads slowly

    return Reclaimed(redis_patrol.rescue(url, clock=clock, key_prefix=key_prefix), left=0)


def durability(url: str, *, clock: Clock) -> dict[str, str]:
    """Return the settings of the broker at *url* that decide what survives, as far as it tells.

    RabbitMQ has none: what its queues keep is a property of theirs, which comes with declaring.
    Raises :class:`~syncpipe.errors.ConfigError` as :func:`open_broker` does, and
    :class:`~syncpipe.errors.BrokerUnavailable`.
    """
    if is_rabbitmq(url):
        return {}
    _refuse_unknown(url)
    from syncpipe.transport import redis_durability  # noqa: PLC0415 - redis loads slowly

    return redis_durability.durability(url, clock=clock)


def _refuse_unknown(url: str) -> None:
    """Raise ``ConfigError`` for a URL that no adapter serves."""
    scheme = url.partition("://")[0]
    if scheme not in _REDIS_SCHEMES:
        raise ConfigError(f"No broker is served by a URL that begins with {scheme!r}.")


__all__ = ["durability", "open_broker", "rescue"]
