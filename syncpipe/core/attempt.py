"""One try to apply one operation that did not end with its effect."""

from __future__ import annotations

from typing import Any, NamedTuple

from syncpipe.errors import MalformedEnvelope

#: Most attempts that travel with an operation: the first ones, then the latest.
MAX_ATTEMPTS_KEPT = 32
#: Most characters of an attempt's message, worker and code that travel with an operation: all of
#: them have to fit the header of an envelope, 64 KiB.
MAX_MESSAGE, _MAX_WORKER, _MAX_CODE = 200, 200, 16
#: How many of the attempts that are kept are the first ones.
_FIRST = 4


class Attempt(NamedTuple):
    """One try to apply one operation, and how it ended."""

    #: The target's clock, milliseconds since the Unix epoch.
    at_ms: int
    #: Name of the worker process.
    worker: str
    #: How long its batch was with the target, milliseconds.
    duration_ms: int
    #: Stable code of the error, ``SP-E…``.
    code: str
    #: The error's message.
    message: str


def one_more(attempts: tuple[Attempt, ...], attempt: Attempt) -> tuple[Attempt, ...]:
    """Return *attempts* and *attempt*; of very many, the first ones and the latest."""
    return _bounded((*attempts, _cut(attempt)))


def attempts_of(value: Any) -> tuple[Attempt, ...]:
    """Return the attempts that travelled as *value*, a list of lists.

    However many and long somebody made them, no more is kept than we would: they travel on.

    Raises:
        MalformedEnvelope: it is something else.

    """
    if type(value) is list and all(_is_attempt(members) for members in value):
        return _bounded(tuple(_cut(Attempt(*members)) for members in value))
    raise MalformedEnvelope("The attempts do not have the form of this format.")


def _bounded(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Return *attempts*; of very many, the first ones and the latest."""
    if len(attempts) <= MAX_ATTEMPTS_KEPT:
        return attempts
    return (*attempts[:_FIRST], *attempts[_FIRST - MAX_ATTEMPTS_KEPT :])


def _cut(attempt: Attempt) -> Attempt:
    at_ms, worker, duration_ms, code, message = attempt
    return Attempt(
        at_ms, worker[:_MAX_WORKER], duration_ms, code[:_MAX_CODE], message[:MAX_MESSAGE]
    )


def _is_attempt(members: Any) -> bool:
    kinds = (int, str, int, str, str)
    return type(members) is list and tuple(map(type, members)) == kinds
