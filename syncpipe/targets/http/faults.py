"""What goes wrong without an answer, by its kind in the table of what errors mean."""

from __future__ import annotations

import ssl
from socket import gaierror
from typing import Any

import httpcore2

#: What the network raises.
FAULTS = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)
#: A connection that merely ended during the handshake says nothing about trust. Which of these it
#: is differs between releases of OpenSSL.
_ENDED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
#: Kinds by the first class that fits, with words that continue the name of the target.
_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (httpcore2.PoolTimeout, "connections", "was not asked, because all connections are in use"),
    (httpcore2.ConnectTimeout, "connection", "could not be connected in time"),
    (httpcore2.TimeoutException, "timeout", "did not answer in time"),
    (httpcore2.ConnectError, "connection", "cannot be reached"),
    (httpcore2.NetworkError, "cut", "ended the connection"),
    (httpcore2.RemoteProtocolError, "cut", "ended the connection"),
)


def meaning(fault: Exception) -> tuple[str, str]:
    """Return the kind of a *fault*, one of `FAULTS`, and what happened, for after a name.

    httpcore2 puts the cause of an error into its arguments.
    """
    cause: Any = fault.args[0] if fault.args else ""
    kind, what = _kind(fault, cause)
    return kind, f"{what}: {_words(cause) or type(fault).__name__}"


def _kind(fault: Exception, cause: object) -> tuple[str, str]:
    if isinstance(fault, httpcore2.ConnectError):
        if isinstance(cause, gaierror | UnicodeError):
            return "dns", "has no address"
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, _ENDED):
            return "tls", "cannot be trusted"
    if isinstance(fault, httpcore2.RemoteProtocolError) and isinstance(cause, Exception):
        return "protocol", "does not speak HTTP"
    found = ((kind, what) for class_, kind, what in _KINDS if isinstance(fault, class_))
    return next(found, ("protocol", "cannot be asked"))


def _words(cause: object) -> str:
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return " ".join(text.split()).rstrip(".")
