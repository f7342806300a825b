"""The kombu transport that makes claiming channels and polls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.transport import redis as stock

from syncpipe.errors import BrokerUnsupported
from syncpipe.transport.redis.channel import Channel
from syncpipe.transport.redis_link import CLUSTERED

if TYPE_CHECKING:
    from kombu.asynchronous import Hub

#: Most seconds in one blocking poll, so that rests and overdue replies are noticed.
_POLL_S = 1.0


class Poller(stock.MultiChannelPoller):  # type: ignore[misc, unused-ignore]
    """kombu's poller, which also settles acknowledgements and lets go of lost channels."""

    #: The event loop that polls; None where somebody does so by hand.
    loop: Hub | None = None

    def wake_after(self, seconds: float) -> bool:
        """Have `on_poll_start` called after so many seconds; return whether there is a loop."""
        if self.loop is None:
            return False
        self.loop.call_later(seconds, _awake)
        return True

    def on_poll_start(self) -> None:
        """Start what is due on every channel, then settle."""
        for channel in list(self._channels):
            if channel.abandoned:
                # Celery never unregisters this method; polling a channel of a connection that was
                # closed would reconnect it, and claim for nobody.
                self.discard(channel)
        super().on_poll_start()
        for channel in list(self._channels):
            channel.settle()

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        """Poll once, for at most a second."""
        return super().get(callback, _POLL_S if timeout is None else min(timeout, _POLL_S))


class Transport(stock.Transport):  # type: ignore[misc, unused-ignore]
    """kombu's Redis transport with claiming channels."""

    Channel = Channel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Prepare; connect nothing yet."""
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def establish_connection(self) -> Any:
        """Connect; raises ``BrokerUnsupported`` for a node of a Redis Cluster."""
        connection = super().establish_connection()
        cluster = self._avail_channels[-1].client.info("cluster")
        if cluster.get("cluster_enabled"):
            raise BrokerUnsupported(CLUSTERED)
        return connection

    def register_with_event_loop(self, connection: Any, loop: Hub) -> None:
        """Let the event loop poll; overdue replies are looked for every second."""
        super().register_with_event_loop(connection, loop)
        self.cycle.loop = loop
        self.cycle._brpop_health_tref.cancel()  # noqa: SLF001 - kombu looks every 25 seconds
        self.cycle._brpop_health_tref = loop.call_repeatedly(  # noqa: SLF001
            _POLL_S, self.cycle.maybe_check_brpop_health
        )


def _awake() -> None:
    """Do nothing: after each timer the loop looks at the poller."""
