"""The small part of RabbitMQ's management API that tells what AMQP does not."""

from __future__ import annotations

import http.client
import json
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from syncpipe.errors import BrokerUnavailable
from syncpipe.transport.rabbitmq.link import DEFAULT_TIMEOUT_S
from syncpipe.transport.rabbitmq.lookup import Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.transport.rabbitmq.address import ManagementAddress

#: Most bytes of an answer: some ten thousands of queues.
_MOST_BYTES = 64 * 1024 * 1024
_SWITCH_ON = (
    "Switch it on with `rabbitmq-plugins enable rabbitmq_management`, or name it in "
    "broker.management_url."
)


@dataclass(frozen=True, slots=True)
class Queue:
    """What the management API tells of a queue."""

    #: RabbitMQ's name of it.
    name: str
    #: Messages that are taken and not acknowledged, as of some seconds ago.
    unacked: int
    #: The properties that it was declared with.
    arguments: Mapping[str, Any]
    #: Whether it is there until somebody deletes it.
    lasting: bool


class Management:
    """Asks the management API of one RabbitMQ. Thread-safe."""

    def __init__(self, address: ManagementAddress) -> None:
        """Prepare for *address*; connect nothing yet."""
        self._address = address
        self._authorization = b64encode(f"{address.user}:{address.password}".encode()).decode()
        # A name that nobody resolves and an answer that trickles know no deadline.
        self._queues = Lookup(self._all_queues)

    def queues(self) -> dict[str, Queue]:
        """Return every queue of the virtual host, by name. Raises ``BrokerUnavailable``."""
        try:
            queues = self._queues.answer(timeout_s=DEFAULT_TIMEOUT_S)
        except TimeoutError as error:
            raise self._unusable(str(error)) from error
        try:
            return {queue["name"]: _queue(queue) for queue in queues}
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unusable("it did not answer with queues") from error

    def _all_queues(self) -> Any:
        path = f"/api/queues/{quote(self._address.virtual_host, safe='')}"
        return self._get(f"{path}?disable_stats=true&enable_queue_totals=true")

    def _get(self, path: str) -> Any:
        kind = http.client.HTTPSConnection if self._address.tls else http.client.HTTPConnection
        connection = kind(self._address.host, self._address.port, timeout=DEFAULT_TIMEOUT_S)
        headers = {"Authorization": f"Basic {self._authorization}"}
        try:
            connection.request("GET", self._address.path + path, headers=headers)
            answer = connection.getresponse()
            body = answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise self._unusable(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        if answer.status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
            raise BrokerUnavailable(
                f"{self._name()} refused our user: give it the tag `monitoring`, or another user "
                "to broker.management_url."
            )
        if answer.status != http.client.OK:
            raise self._unusable(f"it answered with status {answer.status}")
        try:
            return json.loads(body)
        except ValueError as error:
            raise self._unusable("it did not answer with JSON") from error

    def _unusable(self, why: str) -> BrokerUnavailable:
        return BrokerUnavailable(f"{self._name()} cannot be used: {why}. {_SWITCH_ON}")

    def _name(self) -> str:
        return f"RabbitMQ's management API at {self._address.host}:{self._address.port}"


def _queue(told: Mapping[str, Any]) -> Queue:
    """Return what the API has *told* of a queue."""
    return Queue(
        name=told["name"],
        unacked=told.get("messages_unacknowledged", 0),
        arguments=dict(told["arguments"]),
        lasting=told["durable"] and not told["auto_delete"],
    )
