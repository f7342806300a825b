"""The audit: what people did, each entry chained to the one before. The port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syncpipe.core.audit import Act, Head, Record


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries somebody wants to see; what is None does not matter."""

    #: Who did it.
    actor: str | None = None
    #: What was done: a verb such as ``dlq.discard``, or a noun such as ``dlq`` for all of its.
    verb: str | None = None
    #: Milliseconds since the Unix epoch from which on it was done.
    since_ms: int | None = None


class Audit(Protocol):
    """The audit of the store. Safe to use from several threads.

    Everything raises StoreUnavailable and StoreOutdated.
    """

    def write(self, act: Act) -> Head:
        """Write down an act that changes nothing in the store, such as revealing or exporting.

        Raises:
            AuditKeyMissing: the configuration has no key for it.
            AuditKeyDiffers: it has another one than the last entry was made with.

        """
        ...

    def records(self) -> Iterator[Record]:
        """Yield all entries, the oldest first, read in parts."""
        ...

    def latest(
        self, wanted: Wanted | None = None, *, limit: int, before: int | None = None
    ) -> list[Record]:
        """Return up to *limit* entries before number *before*, the newest first."""
        ...

    def head(self) -> Head:
        """Return the end of the chain."""
        ...
