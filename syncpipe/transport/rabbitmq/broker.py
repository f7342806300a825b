"""The broker port on RabbitMQ."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from syncpipe.errors import BrokerUnavailable, QueueMissing, SyncpipeError
from syncpipe.transport import message as wire
from syncpipe.transport.broker import CONTENT_TYPE, QUEUE_PREFIX, Broker, QueueDepth, WorkerInfo
from syncpipe.transport.rabbitmq import declaring
from syncpipe.transport.rabbitmq.address import address_of
from syncpipe.transport.rabbitmq.confirms import Posting, publish
from syncpipe.transport.rabbitmq.link import DEFAULT_TIMEOUT_S, RabbitLink
from syncpipe.transport.rabbitmq.management import Management
from syncpipe.transport.rabbitmq.presence import Presence
from syncpipe.transport.rabbitmq.reading import alone
from syncpipe.transport.rabbitmq.topology import LIMIT_QUEUE, logical, physical

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syncpipe.core.chance import Clock
    from syncpipe.transport.broker import Outbound
    from syncpipe.transport.rabbitmq.link import Line

#: Seconds that each of many queues may take, beyond the timeout that all verbs have.
_PER_QUEUE_S = 0.5
#: Most messages that are read at once of what was set aside.
_RECLAIM_STEP = 100
#: How often to look whether messages are back, and the seconds between two looks.
_RETURN_LOOKS, _RETURN_PAUSE_S = 50, 0.02
#: Beginning of headers that say how a message travelled; a new one has none.
_TRAVEL = "x-"


class RabbitBroker(Broker):
    """A :class:`~syncpipe.transport.broker.Broker` whose queues are RabbitMQ's quorum queues.

    Confirmed is what a majority of the queue's nodes has on disk. Everything that producers and
    workers need goes over AMQP; :meth:`queues` and the count of taken messages need the management
    plugin.
    """

    def __init__(self, url: str, *, clock: Clock, management_url: str = "auto") -> None:
        """Prepare for the RabbitMQ at *url*; connect nothing yet. Raises ``ConfigError`` if bad."""
        address = address_of(url)
        self._clock = clock
        # RabbitMQ stops reading from who has published when it is full; asking goes on.
        self._asking = RabbitLink(address, clock=clock)
        self._publishing = RabbitLink(address, clock=clock)
        self._management = Management(management_url, address)
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
            return [queue for queue in queues if declaring.ready(line, physical(queue)) is None]

    def declare(self, queues: Sequence[str]) -> list[str]:
        """See the port. RabbitMQ takes a moment more to write down which queues it has."""
        names = {physical(queue): queue for queue in queues}
        with self._asking.lend(timeout_s=_timeout_s(queues)) as line:
            return [names[made] for made in declaring.declare(line, names)]

    def reclaim(self) -> int:
        """See the port."""
        with self._asking.lend() as line:
            channel = line.channel()
            total = 0
            # What cannot be sent stays ours until the channel closes: nothing is looked at twice.
            for _ in range(0, declaring.ready(line, LIMIT_QUEUE) or 0, _RECLAIM_STEP):
                taken = list(itertools.islice(_taken(channel, LIMIT_QUEUE), _RECLAIM_STEP))
                verdicts = self._post(list(map(_again, taken)), DEFAULT_TIMEOUT_S)
                line.extend(DEFAULT_TIMEOUT_S)
                total += _acknowledge(channel, taken, verdicts)
                if not all(map(_settled, verdicts)):
                    break
            channel.close()
            return total

    def depths(self, queues: Sequence[str]) -> dict[str, QueueDepth]:
        """See the port. Needs the management plugin."""
        if not queues:
            return {}
        unacked = self._management.unacked()
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
        unacked = self._management.unacked()
        names = sorted(name for name in unacked if name.startswith(QUEUE_PREFIX))
        with self._asking.lend(timeout_s=_timeout_s(names)) as line:
            holding = [name for name in names if unacked[name] or declaring.ready(line, name)]
        return sorted(map(logical, holding))

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

    def _post(self, postings: Sequence[Posting], timeout_s: float) -> list[SyncpipeError | None]:
        """Publish, and answer one verdict for each."""
        if not postings:
            return []
        try:
            with self._publishing.lend(timeout_s=timeout_s) as line:
                return publish(line, postings)
        except BrokerUnavailable as error:
            return [error] * len(postings)


def _timeout_s(queues: Sequence[str]) -> float:
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


def _again(message: Any) -> Posting:
    """Return what was set aside as a new message for the queue that it came from."""
    properties = dict(message.properties)
    headers = properties.pop("application_headers", None) or {}
    return Posting(
        routing_key=message.delivery_info["routing_key"],
        body=_bytes(message.body),
        properties=properties,
        headers={name: value for name, value in headers.items() if not name.startswith(_TRAVEL)},
    )


def _taken(channel: Any, queue: str) -> Iterator[Any]:
    """Take the messages of *queue*, one after the other, until the channel closes."""
    while (message := channel.basic_get(queue)) is not None:
        yield message


def _acknowledge(
    channel: Any, taken: Sequence[Any], verdicts: Sequence[SyncpipeError | None]
) -> int:
    """Acknowledge what was sent again; return how many that are."""
    sent = [message for message, error in zip(taken, verdicts, strict=True) if error is None]
    for message in sent:
        channel.basic_ack(message.delivery_tag)
    return len(sent)


def _settled(verdict: SyncpipeError | None) -> bool:
    """Tell whether RabbitMQ is able to take more, whatever became of this one."""
    return verdict is None or isinstance(verdict, QueueMissing)


def _read(line: Line, queue: str, limit: int) -> list[bytes]:
    """Return the first *limit* bodies of *queue*, and give everything back."""
    before = declaring.ready(line, queue)
    if not before:
        return []
    channel = line.channel()
    bodies = [_bytes(each.body) for each in itertools.islice(_taken(channel, queue), limit)]
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


def _depth(line: Line, queue: str, unacked: dict[str, int]) -> QueueDepth:
    name = physical(queue)
    return QueueDepth(declaring.ready(line, name) or 0, unacked.get(name, 0), None)


def _bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
