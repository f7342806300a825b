"""What an endpoint answered."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Statuses that say without a body that all was done.
_DONE = frozenset({200, 201, 202, 204})
#: Most characters of what an endpoint says about a refusal.
_SHOWN = 300
_SECONDS = re.compile(r"[0-9]{1,9}")
_DIGITS = re.compile(r"[0-9]+")
#: What stands for a time that is too far away to be counted, seconds.
_VERY_LONG_S = 1e9
_UNPRINTABLE = re.compile(r"[^ -~\xa1-\U0010ffff]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    #: Status of HTTP.
    status: int
    #: The body, or its beginning where the status alone tells.
    body: bytes = b""
    #: For how long the endpoint wants to be left alone, seconds; None if it does not say.
    retry_after_s: float | None = None
    #: Where it sends us, without a query; None if nowhere.
    location: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the request as a whole was accepted."""
        return 200 <= self.status < 300  # noqa: PLR2004 - what 2xx means

    @property
    def is_done(self) -> bool:
        """Whether it says, without a body, that everything was done."""
        return self.status in _DONE and not self.body.strip()

    @property
    def text(self) -> str:
        """The body as text, whatever it is."""
        return self.body.decode("utf-8", "replace")


def one_line(text: str) -> str:
    """Return the beginning of *text* without line breaks and control characters."""
    shown = " ".join(_UNPRINTABLE.sub(" ", text[: 4 * _SHOWN]).split())
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Return the seconds of the header ``Retry-After`` (RFC 9110, section 10.2.3), at least 0.

    A date counts from the endpoint's own date where it tells one, else from *now_ms*, so that two
    clocks are not compared. What cannot be read says nothing.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    if _DIGITS.fullmatch(text):
        return _VERY_LONG_S
    until_s, now_s = _seconds_of(text), _seconds_of(headers.get("date", ""))
    if until_s is None:
        return None
    return max(0.0, until_s - (now_ms / 1000 if now_s is None else now_s))


def _seconds_of(date: str) -> float | None:
    """Return a date of HTTP, which is always GMT, as seconds since the Unix epoch; else None."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
