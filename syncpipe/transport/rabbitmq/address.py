"""Where a RabbitMQ is, and as whom we come, from the broker URL. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kombu.utils.url import parse_url

from syncpipe.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TLS = "amqps"
_PORT, _TLS_PORT = 5672, 5671


@dataclass(frozen=True, slots=True)
class Address:
    """A virtual host of a RabbitMQ, and a user of it."""

    #: Name or IP address of the machine.
    host: str
    #: Port of AMQP there.
    port: int
    #: Who we are.
    user: str
    #: How we prove it.
    password: str = field(repr=False)
    #: Name of the virtual host.
    virtual_host: str
    #: Options of TLS, as py-amqp takes them; None where nothing is encrypted.
    tls: Mapping[str, Any] | None

    @property
    def place(self) -> str:
        """Host and port, as people write them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(url: str) -> Address:
    """Return the address in *url*, Celery's form. Raises ``ConfigError`` if it is none."""
    try:
        parts = parse_url(url)
    except ValueError as error:
        raise ConfigError(f"The broker URL cannot be used: {error}.") from error
    encrypted = parts["transport"] == _TLS
    host = parts["hostname"] or "localhost"
    return Address(
        host=host,
        port=parts["port"] or (_TLS_PORT if encrypted else _PORT),
        user=parts["userid"] or "guest",
        password=parts["password"] or "guest",
        virtual_host=parts["virtual_host"] or "/",
        # A certificate counts only for the host that it names.
        tls={"server_hostname": host} if encrypted else None,
    )
