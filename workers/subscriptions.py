"""Which queues this process consumes, and how Celery's consumer gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.transport.rabbitmq import topology
from workers import lanes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from syncpipe.transport.dialect import Dialect


class Subscriptions:
    """The queues that are wanted: those assigned or added that exist, but of no paused target.

    Celery's own list of queues stays empty, so every connection begins with what is wanted then.
    Everything but :meth:`assign` and :meth:`lack` belongs to the event loop, which alone touches
    the channel.
    """

    def __init__(self, dialect: Dialect) -> None:
        """Want nothing yet; *dialect* tells what queues are called."""
        self._dialect = dialect
        self._assigned: Mapping[str, str] = {}
        self._added: dict[str, str] = {}
        self._lacking: frozenset[str] = frozenset()
        self._paused: set[str] = set()
        self._consumer: Any = None
        #: kombu's name of each queue that was ever consumed on this connection, by consumer tag.
        self._tags: dict[str, str] = {}

    @property
    def connected(self) -> bool:
        """Whether there is a connection on which what is wanted is consumed."""
        return self._consumer is not None

    @property
    def paused(self) -> set[str]:
        """The targets whose lanes are not consumed."""
        return self._paused

    @property
    def wanted(self) -> set[str]:
        """The broker's names of the queues to consume."""
        return {
            self._dialect.physical(queue)
            for queue, target in {**self._assigned, **self._added}.items()
            if target not in self._paused and queue not in self._lacking
        }

    def assign(self, queues: Mapping[str, str]) -> bool:
        """Want *queues*, which gives the target of each; return whether that is a change.

        Thread-safe. The event loop has to call :meth:`sync` after a change.
        """
        changed = queues != self._assigned
        self._assigned = dict(queues)
        return changed

    def add(self, queue: str, target: str) -> None:
        """Want *queue*, whoever it is assigned to, while this connection lasts.

        After another one it may be gone. The event loop has to call :meth:`sync` after this.
        """
        self._added[queue] = target

    def remove(self, queue: str) -> bool:
        """Want *queue* only if it is assigned; return whether it was added.

        The event loop has to call :meth:`sync` after this.
        """
        return self._added.pop(queue, None) is not None

    def lack(self, queues: Collection[str]) -> bool:
        """Want none of *queues*, which do not exist; return whether that is a change.

        Thread-safe. To consume a queue that does not exist would cost the connection. The event
        loop has to call :meth:`sync` after a change.
        """
        before, self._lacking = self._lacking, frozenset(queues)
        return before != self._lacking

    def queue_of(self, delivery: Any) -> str:
        """Return our name of the queue from which kombu's message *delivery* came.

        It may have got there by any routing key.
        """
        info = delivery.delivery_info or {}
        tag = str(info.get("consumer_tag", ""))
        if tag and tag not in self._tags:
            self._note_tags()
        return topology.logical(self._tags.get(tag) or str(info.get("routing_key")))

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
        self._tags.clear()
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
        self._note_tags()
        for name in present - wanted:
            self._consumer.cancel_by_queue(name)

    def disconnect(self) -> None:
        """Forget the connection, and what was added."""
        self._consumer = None
        self._added.clear()

    def cancel(self) -> None:
        """Consume nothing more on this connection. Raises what kombu raises."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.cancel()

    def _note_tags(self) -> None:
        """Remember the consumer tags: messages may still come from a queue that was cancelled."""
        if self._consumer is not None:
            tags = self._consumer._active_tags  # noqa: SLF001 - kombu tells it nowhere else
            self._tags |= {tag: name for name, tag in tags.items()}
