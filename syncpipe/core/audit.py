"""What somebody did, as the audit remembers it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = re.compile(r"(0|[1-9][0-9]{0,17}):((?:[0-9a-f]{64})?)")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that somebody does; it is written down in the transaction that does it."""

    #: Who, as `Identity.actor`.
    actor: str
    #: What, such as ``dlq.discard`` or ``replay.pause``: noun and verb of the command line.
    verb: str
    #: Of what: the id of a dead letter or replay, a fingerprint, or a filter without the values of
    #: operations that it looks for.
    subject: str
    #: Why, as they said it.
    reason: str = ""
    #: What else is worth knowing, as JSON has it: numbers and ids, never what is in operations.
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at some moment: whoever keeps it elsewhere can tell what was cut off."""

    #: Number of the last entry, from 1; 0 while there is none.
    number: int = 0
    #: Its HMAC as hexadecimal digits; empty while there is none.
    mac: str = ""

    def __str__(self) -> str:
        """Number and HMAC with a colon between them, as `read` takes it."""
        return f"{self.number}:{self.mac}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the head that is written as *text*.

        Raises:
            ValueError: it is none.

        """
        match = _HEAD.fullmatch(text.strip().lower())
        if match is None or (match[1] == "0") != (match[2] == ""):
            raise ValueError(f"{text!r} is no head: a number, a colon and 64 hexadecimal digits.")
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the audit."""

    #: Its number, from 1, without gaps.
    number: int
    #: Milliseconds since the Unix epoch, by the store's clock.
    at_ms: int
    #: What was done.
    act: Act
    #: Which key its HMAC was made with, as `chain.key_id`.
    key_id: str
    #: HMAC over the one before and this entry, hexadecimal digits.
    mac: str

    @property
    def head(self) -> Head:
        """The end of the chain after this entry."""
        return Head(self.number, self.mac)
