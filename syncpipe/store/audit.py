"""The audit: what people did, each entry chained to the one before. The port, and its values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.core.audit import Act


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at some moment: whoever keeps it elsewhere can tell what was cut off."""

    #: Number of the last entry, from 1; 0 while there is none.
    number: int
    #: Its HMAC as hexadecimal digits; empty while there is none.
    mac: str


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the audit."""

    #: Its number, from 1, without gaps.
    number: int
    #: Milliseconds since the Unix epoch, by the store's clock.
    at_ms: int
    #: What was done.
    act: Act
    #: HMAC over the one before and this entry, hexadecimal digits.
    mac: str


class Audit(Protocol):
    """The audit of the store. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated.
    """

    def write(self, act: Act) -> Head:
        """Write down an act that changes nothing in the store, such as revealing or exporting.

        Raises:
            AuditKeyMissing: the configuration has no key for it.

        """
        ...

    def records(self, *, after: int = 0) -> Iterator[Record]:
        """Yield the entries behind number *after*, the oldest first, read in parts."""
        ...

    def latest(self, *, limit: int, before: int | None = None) -> list[Record]:
        """Return up to *limit* entries before number *before*, the newest first."""
        ...

    def head(self) -> Head:
        """Return the end of the chain."""
        ...
