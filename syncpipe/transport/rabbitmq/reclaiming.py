"""Sending back to their queues what RabbitMQ has set aside because it was delivered too often."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from syncpipe.transport.broker import Reclaimed
from syncpipe.transport.rabbitmq import declaring
from syncpipe.transport.rabbitmq.confirms import Posting
from syncpipe.transport.rabbitmq.link import DEFAULT_TIMEOUT_S
from syncpipe.transport.rabbitmq.reading import body_of, taken
from syncpipe.transport.rabbitmq.topology import LIMIT_QUEUE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from syncpipe.transport.rabbitmq.confirms import Verdict
    from syncpipe.transport.rabbitmq.link import Line

#: Most messages that are read at once of what was set aside. RabbitMQ's channels keep back the
#: acknowledgements that come while 32 are under way, and forget those when they are closed.
_STEP = 30
#: Properties of the first sending: RabbitMQ refuses another's name, and deletes what expires.
_PAST = frozenset({"user_id", "expiration"})
#: Headers that send copies elsewhere.
_COPIES = frozenset({"CC", "BCC"})
#: Beginning of headers that say how a message travelled; a new one has none.
_TRAVEL = "x-"


def reclaim(line: Line, send: Callable[[Sequence[Posting]], Sequence[Verdict] | None]) -> Reclaimed:
    """Send everything back that its queue takes, and say how many messages those are.

    A queue that refuses one gets no more in this round, and holds up no other. *send* answers a
    verdict for each, or None when RabbitMQ takes nothing for now, which ends the round.
    """
    channel = line.channel()
    # What has no other queue than this one has nowhere to go.
    refusing = {LIMIT_QUEUE}
    there = declaring.ready(line, LIMIT_QUEUE) or 0
    returned = 0
    # What cannot be sent stays ours until the channel closes: nothing is looked at twice.
    for _ in range(0, there, _STEP):
        step = itertools.islice(taken(channel, LIMIT_QUEUE), _STEP)
        going = [message for message in step if _origin(message) not in refusing]
        verdicts = send(list(map(_again, going)))
        if verdicts is None:
            break
        line.extend(DEFAULT_TIMEOUT_S)
        for message, error in zip(going, verdicts, strict=True):
            if error is None:
                channel.basic_ack(message.delivery_tag)
                returned += 1
            else:
                refusing.add(_origin(message))
    channel.close()
    # Others may have been set aside meanwhile.
    return Reclaimed(returned, max(0, there - returned))


def _origin(message: Any) -> str:
    """Return RabbitMQ's name of the queue that *message* was set aside from."""
    return str(message.delivery_info["routing_key"])


def _again(message: Any) -> Posting:
    """Return what was set aside as a new message for the queue that it came from."""
    properties = {name: value for name, value in message.properties.items() if name not in _PAST}
    headers = properties.pop("application_headers", None) or {}
    return Posting(
        routing_key=_origin(message),
        body=body_of(message),
        properties=properties,
        headers={name: value for name, value in headers.items() if _stays(name)},
    )


def _stays(header: str) -> bool:
    return header not in _COPIES and not header.startswith(_TRAVEL)
