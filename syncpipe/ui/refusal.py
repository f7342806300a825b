"""Why a request is not answered, as a status of HTTP, and what every error becomes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError

from syncpipe.errors import (
    AccessDenied,
    ActError,
    BrokerUnavailable,
    ConfigError,
    InvalidFilter,
    InvalidOperation,
    StoreError,
    SyncpipeError,
    TargetError,
)

#: Statuses of errors; the first class that fits counts.
_STATUSES: tuple[tuple[type[SyncpipeError], HTTPStatus], ...] = (
    (AccessDenied, HTTPStatus.FORBIDDEN),
    (InvalidFilter, HTTPStatus.BAD_REQUEST),
    (ActError, HTTPStatus.CONFLICT),
    (InvalidOperation, HTTPStatus.BAD_REQUEST),
    (ConfigError, HTTPStatus.BAD_REQUEST),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (BrokerUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (TargetError, HTTPStatus.SERVICE_UNAVAILABLE),
)
#: What to do about a status that comes from no error of ours.
_HINTS = {
    HTTPStatus.BAD_REQUEST: "docs/api.md says what each address takes.",
    HTTPStatus.UNAUTHORIZED: "Give the name and password that Flower knows.",
    HTTPStatus.NOT_FOUND: "docs/api.md lists the addresses.",
    HTTPStatus.METHOD_NOT_ALLOWED: "What looks is GET, what changes something is POST.",
}


class Refusal(HTTPError):
    """A request that is not answered as it is."""

    def __init__(self, status: HTTPStatus, message: str, hint: str) -> None:
        """Answer with *status*; *message* and *hint* are a sentence each."""
        # Tornado takes the first text for a template of the log's line.
        super().__init__(status, "%s", message)
        self.message = message
        self.hint = hint


def described(error: BaseException | None, status: int) -> tuple[int, dict[str, Any]]:
    """Return the status of *error*, and what is said of it; *status* if it is none of ours.

    Of what nobody expected nothing is said: the log has it, and it may hold what is in operations.
    """
    column = None
    if isinstance(error, SyncpipeError):
        status = status_of(error)
        code, message, hint = error.code, error.message, error.hint
        column = error.column if isinstance(error, InvalidFilter) else None
    elif isinstance(error, Refusal):
        code, message, hint = ActError.code, error.message, error.hint
    else:
        known = HTTPStatus(status) if status in set(HTTPStatus) else HTTPStatus.BAD_REQUEST
        code, message = SyncpipeError.code, f"{known.phrase}."
        hint = _HINTS.get(known, "The log of this process says more.")
        code = ActError.code if known < HTTPStatus.INTERNAL_SERVER_ERROR else code
    said = {"code": code, "message": message, "hint": hint}
    return status, said if column is None else {**said, "column": column}


def status_of(error: SyncpipeError) -> HTTPStatus:
    """Return the status of HTTP that says what *error* says."""
    fitting = (status for kind, status in _STATUSES if isinstance(error, kind))
    return next(fitting, HTTPStatus.INTERNAL_SERVER_ERROR)
