"""What the address and the headers of an endpoint may be."""

from __future__ import annotations

import re

import httpx2

#: Headers that every request has already, or that would change how it is sent.
OURS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-encoding", "content-length"),
        *("content-type", "expect", "host", "idempotency-key", "te", "trailer"),
        *("transfer-encoding", "upgrade", "user-agent"),
    }
)
_HOST = re.compile(rb"[0-9A-Za-z.:_-]+")
_PORTS = range(1, 2**16)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_TOKEN = re.compile(r"[!-~]+")


def url_fault(url: str) -> str | None:
    """Return why *url* cannot be an endpoint's, a sentence that does not show it, or None."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        return "This is no URL."
    port = parsed.port if parsed.port is not None else 1
    known = parsed.scheme in {"http", "https"} and port in _PORTS
    if not known or not _HOST.fullmatch(parsed.raw_host):
        return "No endpoint has such a URL."
    if parsed.userinfo:
        return "The URL holds a user or a password."
    if parsed.fragment:
        return "The URL holds a fragment, which is never sent."
    return None


def header_fault(name: str, value: str) -> str | None:
    """Return why a request cannot have this header, a sentence that hides *value*, or None."""
    if not _NAME.fullmatch(name):
        return f"No header can be called {name!r}."
    if name.lower() in OURS:
        return f"Every request has its own {name}."
    return None if _VALUE.fullmatch(value) else "What stands here cannot be sent in a header."


def token_fault(token: str) -> str | None:
    """Return why a request cannot bring this *token*, a sentence that hides it, or None."""
    return None if _TOKEN.fullmatch(token) else "What stands here cannot be sent in a header."
