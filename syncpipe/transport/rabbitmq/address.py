"""Where a RabbitMQ is, and as whom we come, from the broker URL. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from kombu.utils.url import parse_url

from syncpipe.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TLS = "amqps"
_PORT, _TLS_PORT = 5672, 5671
_MANAGEMENT_PORT, _MANAGEMENT_TLS_PORT = 15672, 15671
_FORM = (
    "Write amqp://user:password@host:5672/virtual-host, and %2F %40 %23 for / @ # in a name or "
    "password."
)
_API_FORM = "Write http://user:password@host:15672, or auto."
#: Signs that mean something else, each with what to do instead.
_REFUSED = {
    ";": (
        "names more than one RabbitMQ: name one, such as the address of a load balancer, and write "
        "%3B for a ; in a password."
    ),
    "?": (
        "has options, and none are known: leave them out. A certificate authority of your own "
        "belongs in the trust store of the machine, or in the file that SSL_CERT_FILE names; write "
        "%3F for a ? in a password."
    ),
    "#": f"has a #. {_FORM}",
}
#: A name, or an address, perhaps with the zone of IPv6.
_HOST = re.compile(r"[\w.:%-]+")


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


@dataclass(frozen=True, slots=True)
class ManagementAddress:
    """The management API of a RabbitMQ, and a user of it."""

    #: Name or IP address of the machine.
    host: str
    #: Port of the API there.
    port: int
    #: Whether it is asked over TLS.
    tls: bool
    #: What the paths of the API follow.
    path: str
    #: Who we are.
    user: str
    #: How we prove it.
    password: str = field(repr=False)
    #: Name of the virtual host that is asked about.
    virtual_host: str


def address_of(url: str) -> Address:
    """Return the address in *url*, Celery's form. Raises ``ConfigError`` if it is none."""
    for sign, what in _REFUSED.items():
        if sign in url:
            raise ConfigError(f"The broker URL {what}")
    try:
        parts = parse_url(url)
        host = _checked(parts["hostname"] or "localhost")
    except ValueError:  # its words may hold a part of the password
        raise ConfigError(f"The broker URL has a malformed host or port. {_FORM}") from None
    encrypted = parts["transport"] == _TLS
    return Address(
        host=host,
        port=parts["port"] or (_TLS_PORT if encrypted else _PORT),
        user=parts["userid"] or "guest",
        password=parts["password"] or "guest",
        virtual_host=parts["virtual_host"] or "/",
        # A certificate counts only for the host that it names.
        tls={"server_hostname": host} if encrypted else None,
    )


def management_of(url: str, address: Address) -> ManagementAddress:
    """Return the address in *url*; ``auto`` is the plugin's own port on the host of *address*.

    A URL that names no user comes as that of *address*. Raises ``ConfigError`` if it is none.
    """
    try:
        parts = urlsplit(_default_url(address) if url == "auto" else url)
        host, port = parts.hostname, parts.port
    except ValueError:  # its words may hold a part of the password
        raise ConfigError(f"The management URL has a malformed host or port. {_API_FORM}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigError(f"The management URL is none of http or https. {_API_FORM}")
    tls = parts.scheme == "https"
    return ManagementAddress(
        host=host,
        port=port or (_MANAGEMENT_TLS_PORT if tls else _MANAGEMENT_PORT),
        tls=tls,
        path=parts.path.rstrip("/"),
        user=unquote(parts.username) if parts.username else address.user,
        password=unquote(parts.password) if parts.password else address.password,
        virtual_host=address.virtual_host,
    )


def _default_url(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}" if address.tls is None else f"https://{host}"


def _checked(host: str) -> str:
    """Return *host* if it can be one; raise ``ValueError`` if not."""
    if not _HOST.fullmatch(host):
        raise ValueError(host)
    host.encode("idna")  # as the look-up of a name does, whose labels have 1 to 63 signs
    return host
