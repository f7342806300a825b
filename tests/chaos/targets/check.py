"""What a row of the table has to show, and what was seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One bar, and what was seen of it."""

    #: What has to be.
    bar: str
    #: What was seen.
    seen: str
    #: Whether that meets the bar; None where it is shown and not judged.
    met: bool | None

    @classmethod
    def same(cls, bar: str, seen: object, wanted: object) -> Check:
        """Return the check that *seen* is *wanted*."""
        return cls(bar, str(seen), seen == wanted)

    @classmethod
    def timed(cls, bar: str, seen: str, *, met: bool, short: bool) -> Check:
        """Return a check of timing, which the short form shows and does not judge."""
        return cls(bar, seen, None if short else met)
