"""Which queues this process consumes, and how Celery's consumer gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers import lanes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.transport.dialect import Dialect


class Subscriptions:
    """The queues that are wanted: those that are assigned, without those of paused targets.

    Celery's own list of queues stays empty, so every connection begins with what is wanted then.
    Everything but :meth:`assign` belongs to the event loop, which alone touches the channel.
    """

    def __init__(self, dialect: Dialect) -> None:
        """Want nothing yet; *dialect* tells what queues are called."""
        self._dialect = dialect
        self._assigned: Mapping[str, str] = {}
        self._paused: set[str] = set()
        self._consumer: Any = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which what is wanted is consumed."""
        return self._consumer is not None

    @property
    def wanted(self) -> set[str]:
        """The broker's names of the queues to consume."""
        return {
            self._dialect.physical(queue)
            for queue, target in self._assigned.items()
            if target not in self._paused
        }

    def assign(self, queues: Mapping[str, str]) -> bool:
        """Want *queues*, which gives the target of each; return whether that is a change.

        Thread-safe. The event loop has to call :meth:`sync` after a change.
        """
        changed = queues != self._assigned
        self._assigned = dict(queues)
        return changed

    def pause(self, target: str) -> None:
        """Consume no lane of *target* from now on."""
        self._paused.add(target)
        self.sync()

    def resume(self, target: str) -> None:
        """Want the lanes of *target* again. The event loop has to call :meth:`sync` after this."""
        self._paused.discard(target)

    def connect(self, consumer: Any) -> None:
        """Give kombu's new *consumer*, which does not consume yet, what is wanted."""
        self._consumer = consumer
        for name in self.wanted:
            consumer.add_queue(lanes.lane_queue(name, self._dialect))

    def sync(self) -> None:
        """Begin to consume what is wanted, then end the rest. Raises what kombu raises."""
        if self._consumer is None:
            return
        wanted, present = self.wanted, {queue.name for queue in self._consumer.queues}
        for name in wanted - present:
            self._consumer.add_queue(lanes.lane_queue(name, self._dialect))
        if wanted - present:
            self._consumer.consume()
        for name in present - wanted:
            self._consumer.cancel_by_queue(name)

    def disconnect(self) -> None:
        """Forget the connection."""
        self._consumer = None

    def cancel(self) -> None:
        """Consume nothing more on this connection. Raises what kombu raises."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.cancel()
