"""Documents on their way: JSON text that is read only where somebody looks at what is in it.

Most documents go into a target as a whole. As a dict with a value for each field, one takes three
times as much memory, in a dozen pieces; thousands of them leave the processor's cache before they
are written, and have to come back into it to be freed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Carried(msgspec.Struct, eq=False, gc=False):  # noqa: PLW1641 - a dict has no hash either
    """A document as JSON text, as PostgreSQL's ``jsonb`` is to have it."""

    #: The text.
    text: bytes
    _read: dict[str, Any] | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """What is in it; read once."""
        if self._read is None:
            self._read = _READER.decode(self.text)
        return self._read

    def __eq__(self, other: object) -> bool:
        """Return whether *other* is the same document, carried or not."""
        return self.fields == (other.fields if isinstance(other, Carried) else other)


_READER = msgspec.json.Decoder(dict[str, Any])
