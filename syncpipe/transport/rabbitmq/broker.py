"""The broker port on RabbitMQ."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

from syncpipe.core.routing import parse_queue
from syncpipe.errors import BrokerUnavailable, SyncpipeError
from syncpipe.transport import message as wire
from syncpipe.transport.broker import (
    CONTENT_TYPE,
    QUEUE_PREFIX,
    Broker,
    QueueDepth,
    Reclaimed,
    WorkerInfo,
)
from syncpipe.transport.rabbitmq import declaring, probing, reclaiming
from syncpipe.transport.rabbitmq.address import address_of, management_of
from syncpipe.transport.rabbitmq.confirms import Posting, publish
from syncpipe.transport.rabbitmq.link import DEFAULT_TIMEOUT_S, RabbitLink
from syncpipe.transport.rabbitmq.management import Management
from syncpipe.transport.rabbitmq.presence import Presence
from syncpipe.transport.rabbitmq.reading import alone, body_of, taken
from syncpipe.transport.rabbitmq.topology import LIMIT_QUEUE, arguments_of, logical, physical

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.transport.broker import Outbound
    from syncpipe.transport.rabbitmq.confirms import Verdict
    from syncpipe.transport.rabbitmq.link import Line
    from syncpipe.transport.rabbitmq.management import Queue

#: Seconds that each of many queues may take, beyond the timeout that all verbs have.
_PER_QUEUE_S = 0.5
#: How often to look whether messages are back, and the seconds between two looks.
_RETURN_LOOKS, _RETURN_PAUSE_S = 50, 0.02


class RabbitBroker(Broker):
    """A :class:`~syncpipe.transport.broker.Broker` whose queues are RabbitMQ's quorum queues.

    Confirmed is what a majority of the queue's nodes has on disk. Everything that producers and
    workers need goes over AMQP; :meth:`queues` and the count of taken messages need the management
    plugin.
    """

    #: Two of RabbitMQ's own ticks, five seconds unless somebody has changed that.
    unacked_lag_s = 10.0

    def __init__(self, url: str, *, clock: Clock, management_url: str = "auto") -> None:
        """Prepare for the RabbitMQ at *url*; connect nothing yet. Raises ``ConfigError`` if bad."""
        address = address_of(url)
        self._clock = clock
        # RabbitMQ stops reading from who has published when it is full; asking goes on.
        self._asking = RabbitLink(address, clock=clock)
        self._publishing = RabbitLink(address, clock=clock)
        self._management = Management(management_of(management_url, address))
        self._presence = Presence(self._asking, clock=clock)

    def publish(
        self, messages: Sequence[Outbound], *, timeout_s: float
    ) -> list[SyncpipeError | None]:
        """See the port. Messages follow each other without waiting for their confirms."""
        created_ms = self._clock.now_ms()
        return self._post([_posting(message, created_ms) for message in messages], timeout_s)

    def missing(self, queues: Sequence[str]) -> list[str]:
        """See the port."""
        with self._asking.lend(timeout_s=_timeout_s(queues)) as line:
            lacking = [queue for queue in queues if declaring.ready(line, physical(queue)) is None]
            return lacking if declaring.sets_aside(line) else [*lacking, logical(LIMIT_QUEUE)]

    def unfit(self, queues: Sequence[str]) -> list[str]:
        """See the port. Needs the management plugin."""
        there = self._looked_at()
        names = [*map(physical, queues), LIMIT_QUEUE]
        return [logical(name) for name in names if name in there and not _fits(there[name])]

    def declare(self, queues: Sequence[str]) -> list[str]:
        """See the port. RabbitMQ takes a moment more to write down which queues it has."""
        names = {physical(queue): queue for queue in queues}
        with self._asking.lend(timeout_s=_timeout_s(queues)) as line:
            return [names.get(made, logical(made)) for made in declaring.declare(line, names)]

    def reclaim(self) -> Reclaimed:
        """See the port. Each thirty messages may take the timeout that all verbs have, twice."""
        with self._asking.lend() as line, alone(line, LIMIT_QUEUE):
            line.extend(DEFAULT_TIMEOUT_S)
            return reclaiming.reclaim(line, self._send_back)

    def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """See the port. Needs the management plugin."""
        if not queues:
            return {}
        unacked = _unacked(self._looked_at())
        with self._asking.lend(timeout_s=_timeout_s(queues)) as line:
            return {queue: _depth(line, queue, unacked) for queue in queues}

    def ready(self, queues: Sequence[str]) -> int:
        """See the port."""
        with self._asking.lend(timeout_s=_timeout_s(queues)) as line:
            return sum(declaring.ready(line, physical(queue)) or 0 for queue in queues)

    def peek(self, queue: str, *, limit: int, offset: int = 0) -> list[bytes]:
        """See the port. Counts as a delivery of every message up to there."""
        if limit < 1:
            return []
        name = physical(queue)
        with self._asking.lend() as line, alone(line, name):
            return _read(line, name, offset + limit)[offset:]

    def purge(self, queue: str) -> int:
        """See the port."""
        with self._asking.lend() as line:
            if declaring.ready(line, physical(queue)) is None:
                return 0
            return int(line.channel(1).queue_purge(physical(queue)))

    def queues(self) -> list[str]:
        """See the port. Needs the management plugin."""
        unacked = _unacked(self._looked_at())
        ours = [name for name in unacked if name.startswith(QUEUE_PREFIX)]
        return self._holding({name: unacked[name] for name in ours})

    def undeclared(self, declared: Collection[str]) -> list[str]:
        """See the port. Without the management plugin, lanes that continue the declared ones."""
        try:
            unacked = _unacked(self._management.queues())
        except BrokerUnavailable:
            with self._asking.lend(timeout_s=_timeout_s(declared)) as line:
                return sorted(probing.undeclared(line, declared))
        others = [name for name in unacked if parse_queue(name) and logical(name) not in declared]
        return self._holding({name: unacked[name] for name in others})

    def announce(self, worker: WorkerInfo, *, ttl_s: float) -> None:
        """See the port."""
        self._presence.announce(worker, ttl_s=ttl_s)

    def withdraw(self, name: str) -> None:
        """See the port."""
        self._presence.withdraw(name)

    def workers(self) -> list[WorkerInfo]:
        """See the port. The first call takes a second, in which everybody alive has been heard."""
        return self._presence.workers()

    def close(self) -> None:
        """See the port."""
        self._presence.close()
        self._publishing.close()
        self._asking.close()

    def _looked_at(self) -> dict[str, Queue]:
        """Return what the management API tells of each queue.

        RabbitMQ itself is asked first: why it does not answer is not the plugin's fault.
        """
        with self._asking.lend():
            pass
        return self._management.queues()

    def _holding(self, unacked: Mapping[str, int]) -> list[str]:
        """Return our names of those queues that hold anything, *unacked* included."""
        with self._asking.lend(timeout_s=_timeout_s(unacked)) as line:
            holding = [name for name in unacked if unacked[name] or declaring.ready(line, name)]
        return sorted(map(logical, holding))

    def _send_back(self, postings: Sequence[Posting]) -> list[Verdict] | None:
        """Publish what was set aside, or answer None when RabbitMQ has said that it is full."""
        with self._publishing.lend() as line:
            return None if line.blocked else publish(line, postings)

    def _post(self, postings: Sequence[Posting], timeout_s: float) -> list[SyncpipeError | None]:
        """Publish, and answer one verdict for each."""
        if not postings:
            return []
        try:
            with self._publishing.lend(timeout_s=timeout_s) as line:
                return publish(line, postings)
        except BrokerUnavailable as error:
            return [error] * len(postings)


def _timeout_s(queues: Collection[str]) -> float:
    """Return the seconds that a verb about so many queues may take."""
    return DEFAULT_TIMEOUT_S + _PER_QUEUE_S * len(queues)


def _posting(message: Outbound, created_ms: int) -> Posting:
    """Return *message* as it travels: a Celery message of protocol 2, whose body is bytes."""
    return Posting(
        routing_key=physical(message.queue),
        body=message.body,
        properties={
            "content_type": CONTENT_TYPE,
            "content_encoding": "binary",
            "delivery_mode": 2,
            "message_id": message.message_id,
            "correlation_id": message.message_id,
        },
        headers=wire.headers_of(message, created_ms),
    )


def _read(line: Line, queue: str, limit: int) -> list[bytes]:
    """Return the first *limit* bodies of *queue*, and give everything back."""
    before = declaring.ready(line, queue)
    if not before:
        return []
    channel = line.channel()
    bodies = [body_of(each) for each in itertools.islice(taken(channel, queue), limit)]
    channel.close()
    _await_return(line, queue, before)
    return bodies


def _await_return(line: Line, queue: str, count: int) -> None:
    """Wait until *queue* holds *count* messages again, or others seem to have taken some.

    RabbitMQ says that a channel is closed before its messages are back.
    """
    for _ in range(_RETURN_LOOKS):
        if (declaring.ready(line, queue) or 0) >= count:
            return
        time.sleep(_RETURN_PAUSE_S)


def _unacked(queues: Mapping[str, Queue]) -> dict[str, int]:
    return {name: queue.unacked for name, queue in queues.items()}


def _fits(queue: Queue) -> bool:
    return queue.lasting and queue.arguments == dict(arguments_of(queue.name))


def _depth(line: Line, queue: str, unacked: dict[str, int]) -> QueueDepth:
    name = physical(queue)
    return QueueDepth(declaring.ready(line, name) or 0, unacked.get(name, 0), None)
