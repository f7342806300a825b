"""When an operation is due and when it expires, as its caller says it. Pure: now is an argument."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, NamedTuple

from syncpipe.core.operation import MAX_DELAY_MS
from syncpipe.core.values import shown
from syncpipe.errors import InvalidOperation

if TYPE_CHECKING:
    from syncpipe.producer.draft import Draft

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_MAX_DAYS = MAX_DELAY_MS // (24 * 3600 * 1000)


class Timing(NamedTuple):
    """When an operation may be tried, milliseconds since the Unix epoch."""

    #: Not before this; 0 is at once.
    due_ms: int = 0
    #: Not from this on; 0 is never.
    expires_ms: int = 0


#: At once, and for ever.
ANY_TIME = Timing()


def timing_of(draft: Draft, now_ms: int) -> Timing:
    """Return the timing that *draft* asks for at *now_ms*; what is due already is not delayed.

    Raises:
        InvalidOperation: it cannot be meant; the message says what to give instead.

    """
    due_ms = _due_ms(draft, now_ms)
    if draft.expires_in is None:
        return Timing(due_ms)
    expires_ms = now_ms + _milliseconds(draft.expires_in, "expires_in")
    if expires_ms <= max(due_ms, now_ms):
        raise InvalidOperation(
            f"expires_in={shown(draft.expires_in)} ends before the operation could be tried: count "
            "it from the call, and longer than its delay."
        )
    return Timing(due_ms, expires_ms)


def _due_ms(draft: Draft, now_ms: int) -> int:
    """Return when *draft* is due, 0 if that is now."""
    if draft.delay is not None and draft.not_before is not None:
        raise InvalidOperation("Give delay= or not_before=, not both.")
    if draft.delay is not None:
        due_ms = now_ms + _milliseconds(draft.delay, "delay")
    elif draft.not_before is not None:
        due_ms = _moment_ms(draft.not_before)
        if due_ms - now_ms > MAX_DELAY_MS:
            raise InvalidOperation(
                f"not_before={draft.not_before.isoformat()} lies more than {_MAX_DAYS} days ahead: "
                "send it later."
            )
    else:
        return 0
    return due_ms if due_ms > now_ms else 0


def _milliseconds(given: object, name: str) -> int:
    """Return the milliseconds of the argument *name*, rounded up."""
    if isinstance(given, dt.timedelta):
        milliseconds = _rounded_up(given)
    elif type(given) is int:
        milliseconds = given * 1000
    elif type(given) is float and math.isfinite(given):
        milliseconds = math.ceil(round(given * 1000, 3)) if abs(given) < MAX_DELAY_MS else -1
    else:
        raise InvalidOperation(
            f"{name}= takes seconds, an int or finite float, or a timedelta, not {shown(given)}."
        )
    if not 0 <= milliseconds <= MAX_DELAY_MS:
        raise InvalidOperation(
            f"{name}={shown(given)} must be between 0 and {_MAX_DAYS} days from now."
        )
    return milliseconds


def _moment_ms(given: object) -> int:
    """Return the milliseconds since the Unix epoch of an aware datetime, rounded up."""
    if not isinstance(given, dt.datetime):
        raise InvalidOperation(f"not_before= takes an aware datetime, not {shown(given)}.")
    if given.utcoffset() is None:
        raise InvalidOperation(
            f"not_before={given.isoformat()} has no time zone, so nobody can tell when that is: "
            "give an aware datetime, such as datetime.now(UTC) + timedelta(hours=1)."
        )
    return _rounded_up(given - _EPOCH)


def _rounded_up(given: dt.timedelta) -> int:
    """Return the milliseconds of *given*."""
    return -(-(given // _MICROSECOND) // 1000)
