"""The small part of RabbitMQ's management API that tells what AMQP does not."""

from __future__ import annotations

import base64
import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from syncpipe.errors import BrokerUnavailable, ConfigError
from syncpipe.transport.rabbitmq.link import DEFAULT_TIMEOUT_S
from syncpipe.transport.rabbitmq.lookup import Lookup

if TYPE_CHECKING:
    from syncpipe.transport.rabbitmq.address import Address

_PORT, _TLS_PORT = 15672, 15671
#: Most bytes of an answer: some ten thousands of queues.
_MOST_BYTES = 64 * 1024 * 1024
_SWITCH_ON = (
    "Switch it on with `rabbitmq-plugins enable rabbitmq_management`, or name it in "
    "broker.management_url."
)


class Management:
    """Asks the management API of one RabbitMQ. Thread-safe."""

    def __init__(self, url: str, address: Address) -> None:
        """Prepare for *url*; ``auto`` is the plugin's own port on the host of *address*.

        A URL that names no user comes as that of *address*. Raises ``ConfigError`` if it is none.
        """
        parts = urlsplit(_default_url(address) if url == "auto" else url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError("broker.management_url is no URL that begins with http or https.")
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (_TLS_PORT if self._tls else _PORT)
        self._path = parts.path.rstrip("/")
        user = unquote(parts.username) if parts.username else address.user
        password = unquote(parts.password) if parts.password else address.password
        self._authorization = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._virtual_host = address.virtual_host
        # A name that nobody resolves and an answer that trickles know no deadline.
        self._queues = Lookup(self._all_queues)

    def unacked(self) -> dict[str, int]:
        """Return how many messages of each queue are taken, as of some seconds ago.

        Every queue of the virtual host is there. Raises ``BrokerUnavailable``.
        """
        try:
            queues = self._queues.answer(timeout_s=DEFAULT_TIMEOUT_S)
        except TimeoutError as error:
            raise self._unusable(str(error)) from error
        try:
            return {queue["name"]: queue.get("messages_unacknowledged", 0) for queue in queues}
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unusable("it did not answer with queues") from error

    def _all_queues(self) -> Any:
        path = f"/api/queues/{quote(self._virtual_host, safe='')}"
        return self._get(f"{path}?disable_stats=true&enable_queue_totals=true")

    def _get(self, path: str) -> Any:
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=DEFAULT_TIMEOUT_S)
        headers = {"Authorization": f"Basic {self._authorization}"}
        try:
            connection.request("GET", self._path + path, headers=headers)
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
        return f"RabbitMQ's management API at {self._host}:{self._port}"


def _default_url(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}" if address.tls is None else f"https://{host}"
