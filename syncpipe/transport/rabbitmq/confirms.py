"""Publishing that RabbitMQ confirms: many messages on their way, each with its own verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.errors import (
    BrokerFull,
    BrokerUnavailable,
    DeliveryTimeout,
    QueueMissing,
    SyncpipeError,
)
from syncpipe.transport.rabbitmq.link import BROKEN, said

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from syncpipe.transport.rabbitmq.link import Line

#: Most messages that are on their way at once.
WINDOW = 500
#: Properties that kombu takes by name.
_NAMED = ("content_type", "content_encoding", "priority")
#: Why RabbitMQ says that a connection is blocked.
_ALARM = "it has too little memory or disk, and has raised an alarm"
#: What became of one message: None is confirmed.
Verdict = SyncpipeError | None


@dataclass(frozen=True, slots=True)
class Posting:
    """A message for RabbitMQ."""

    #: RabbitMQ's name of the queue it goes to, or anything for an exchange that does not look.
    routing_key: str
    #: Its bytes.
    body: bytes
    #: Its properties, by their names in AMQP.
    properties: Mapping[str, Any]
    #: Headers.
    headers: Mapping[str, Any]
    #: The exchange; the empty one knows all queues by name.
    exchange: str = ""
    #: Whether it is an error that nobody gets it.
    mandatory: bool = True


def publish(line: Line, postings: Sequence[Posting]) -> list[Verdict]:
    """Publish on *line* and answer one verdict for each, by index, before the line's deadline.

    Raises whatever the line raises before anything was sent.
    """
    if line.publisher is None:
        line.publisher = Publisher(line)
    return line.publisher.publish(postings)


class Publisher:
    """A channel in confirm mode."""

    def __init__(self, line: Line) -> None:
        """Open the channel on *line*."""
        self._line = line
        self._channel = line.channel()
        # For what comes back py-amqp would look for a codec "binary", and a forked child can wait
        # for ever for a module that its parent was importing.
        self._channel.auto_decode = False
        self._channel.confirm_select()
        events = self._channel.events
        events["basic_ack"].add(self._on_ack)
        events["basic_nack"].add(self._on_nack)
        events["basic_return"].add(self._on_return)
        #: Number of the last message on this channel, which confirms name.
        self._tag = 0
        #: Whether a message is being written, so that a part of it may be out.
        self._writing = False
        #: Number of each message that is on its way -> index.
        self._waiting: dict[int, int] = {}
        #: Queue and id of what came back, which is told before its confirm.
        self._returned: set[tuple[str, str]] = set()
        self._postings: Sequence[Posting] = ()
        self._verdicts: list[Verdict] = []

    def publish(self, postings: Sequence[Posting]) -> list[Verdict]:
        """See the function of the same name."""
        self._waiting.clear()
        self._returned.clear()
        self._writing = False
        self._postings, self._verdicts = postings, [None] * len(postings)
        sent = 0
        try:
            for index in range(len(postings)):
                self._await_room()
                sent = index + 1  # whatever happens from here on, a part of it may be out
                self._send(index)
            while self._waiting:
                self._line.drain_events()
        except BROKEN as error:
            self._give_up(sent, error)
        return self._verdicts

    def _await_room(self) -> None:
        """Wait until one more may be sent."""
        while self._line.blocked or len(self._waiting) >= WINDOW:
            self._line.drain_events()

    def _send(self, index: int) -> None:
        posting = self._postings[index]
        message = _prepared(self._channel, posting)
        self._tag += 1
        self._waiting[self._tag] = index
        self._writing = True
        self._channel.basic_publish(
            message,
            exchange=posting.exchange,
            routing_key=posting.routing_key,
            mandatory=posting.mandatory,
        )
        self._writing = False

    def _give_up(self, sent: int, error: Exception) -> None:
        """Judge what has no verdict, of which the first *sent* may be stored."""
        why = f"{_ALARM}." if self._line.blocked else said(error)
        for index in self._waiting.values():
            self._verdicts[index] = DeliveryTimeout(f"RabbitMQ did not confirm: {why}")
        unsent = len(self._postings) - sent
        self._verdicts[sent:] = [self._unsent(error)] * unsent
        # RabbitMQ reads no further from a blocked line, but what went over it is whole: it tells
        # the next one who asks that it is blocked, before anything is sent.
        whole = isinstance(error, TimeoutError) and not self._writing
        if not (self._line.blocked and whole):
            self._line.drop()

    def _unsent(self, error: Exception) -> SyncpipeError:
        if self._line.blocked:
            return BrokerFull(f"RabbitMQ takes no messages: {_ALARM}.")
        return BrokerUnavailable(f"RabbitMQ did not take the message: {said(error)}")

    def _settled(self, tag: int, *, multiple: bool) -> list[int]:
        """Return the indexes of what one confirm is about; what was given up is not among them."""
        if not multiple:
            index = self._waiting.pop(tag, None)
            return [] if index is None else [index]
        tags = [each for each in self._waiting if each <= tag]
        return [self._waiting.pop(each) for each in tags]

    def _on_ack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp calls it so
        for index in self._settled(tag, multiple=multiple):
            posting = self._postings[index]
            if (posting.routing_key, _id(posting.properties)) in self._returned:
                self._verdicts[index] = QueueMissing(
                    f"RabbitMQ has no queue {posting.routing_key!r}."
                )

    def _on_nack(self, tag: int, multiple: bool) -> None:  # noqa: FBT001 - py-amqp calls it so
        for index in self._settled(tag, multiple=multiple):
            queue = self._postings[index].routing_key
            self._verdicts[index] = BrokerFull(
                f"RabbitMQ refused the message: the queue {queue!r} is full, or has no leader."
            )

    def _on_return(self, _why: object, _exchange: str, routing_key: str, message: Any) -> None:
        self._returned.add((routing_key, _id(message.properties)))


def _prepared(channel: Any, posting: Posting) -> Any:
    """Return the message that *channel* sends for *posting*."""
    properties = dict(posting.properties)
    named = {name: properties.pop(name, None) for name in _NAMED}
    return channel.prepare_message(
        posting.body, headers=dict(posting.headers), properties=properties, **named
    )


def _id(properties: Mapping[str, Any]) -> str:
    return str(properties.get("message_id"))
