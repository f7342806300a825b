"""Acknowledgements and returns of claimed messages, as kombu asks for them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import redis
from kombu.transport import redis as stock
from kombu.transport import virtual

if TYPE_CHECKING:
    from kombu.transport.virtual import Message

logger = logging.getLogger("syncpipe.transport.redis")


class QoS(stock.QoS):  # type: ignore[misc, unused-ignore]
    """Keeps kombu's prefetch accounts; what Redis holds is kept by the channel's claims.

    ``restore_visible`` and ``restore_by_tag`` stay kombu's own: they look after what stock workers
    left in kombu's ``unacked`` hash.
    """

    def append(self, message: Message, delivery_tag: str) -> None:
        """Count a message that was recorded when it was claimed."""
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge a message with the next group, or at once when there is no next."""
        virtual.QoS.ack(self, delivery_tag)
        if self.channel.claims.owns(delivery_tag):
            self.channel.claims.ack(delivery_tag)
            if self.channel.closed:
                self.channel.claims.flush()

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002
        """Send a message to the far end of its queue, or drop it."""
        if requeue and self.channel.claims.owns(delivery_tag):
            self.channel.claims.reject([delivery_tag], far=True)
            virtual.QoS.ack(self, delivery_tag)
        else:
            self.ack(delivery_tag)

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002 - kombu's signature
        """Send all delivered, unacknowledged messages back to where they came from."""
        self._flush()
        tags = [tag for tag in self._delivered if self.channel.claims.owns(tag)]
        if tags:
            self.channel.claims.reject(tags, far=False)
        self._delivered.clear()

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Return what stock workers left behind, unless Redis refuses writes for now."""
        try:
            super().restore_visible(*args, **kwargs)
        except redis.ResponseError as error:
            logger.warning("messages left by stock workers have to wait: %s", error)
