"""Whether a request may be heard, and who asks. Pure."""

from __future__ import annotations

import base64
import ipaddress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from syncpipe.ui.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Who asks where nobody has to say who they are.
ANONYMOUS = "anonymous"
#: What proxies say for whom they ask.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")
#: Address that tornado gives whoever asks through a unix socket.
_UNIX_SOCKET = "0.0.0.0"  # noqa: S104 -- compared with, not bound


def is_loopback(address: str) -> bool:
    """Return whether *address*, a name or a number, is this machine's own for sure."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def require_loopback(peer: str, host: str, headers: Mapping[str, str]) -> None:
    """Return if whoever asks without authentication sits at this machine.

    *peer* is their address, *host* what their request calls us: a page of somebody else's may have
    had its name point here.

    Raises:
        Refusal: they do not, or a proxy asks for somebody.

    """
    near = peer == _UNIX_SOCKET or is_loopback(peer)
    if near and is_loopback(_name(host)) and not any(each in headers for each in _FORWARDED):
        return
    raise Refusal(
        HTTPStatus.FORBIDDEN,
        "Without authentication these pages are for this machine only.",
        "Set FLOWER_BASIC_AUTH=NAME:PASSWORD, or Flower's --auth, and start it again.",
    )


def require_same_origin(host: str, headers: Mapping[str, str]) -> None:
    """Return if no page of another origin has sent this. Raises Refusal.

    Browsers tell; whoever is no browser has nothing that a foreign page could misuse.
    """
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site == "same-origin" or (site is None and origin is None):
        return
    if site is None and origin is not None and _netloc(origin) == host.lower():
        return
    raise Refusal(
        HTTPStatus.FORBIDDEN,
        "A page of another origin has sent this.",
        "Act from these pages, or from a program that is no browser.",
    )


def require_looked_at(headers: Mapping[str, str]) -> None:
    """Return if somebody looks, and no page of another origin has this loaded within itself.

    To look can be an act, too: what filters by masked fields is written into the audit. A link from
    elsewhere may be followed. Raises Refusal.
    """
    site = headers.get("Sec-Fetch-Site", "none")
    if site not in {"same-origin", "none"} and headers.get("Sec-Fetch-Dest") != "document":
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "A page of another origin has loaded this.",
            "Open it in a window of its own.",
        )


def require_json(content_type: str) -> None:
    """Return if a body is said to be JSON. Raises Refusal."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "The body has to be JSON, and its Content-Type application/json.",
            "Send the header `Content-Type: application/json`.",
        )


def basic_name(authorization: str) -> str:
    """Return who a Basic header that Flower has accepted says to be, as the audit names them."""
    credentials = base64.b64decode(authorization.split()[1]).decode()
    return "basic:" + credentials.partition(":")[0]


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
