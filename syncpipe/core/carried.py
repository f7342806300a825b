"""Documents on their way: JSON text that is read only where somebody looks at what is in it.

Most documents go into a target as a whole. As a dict with a value for each field, one takes three
times as much memory, in a dozen pieces; thousands of them leave the processor's cache before they
are written, and have to come back into it to be freed.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from syncpipe.core.numbers import in_range

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
            try:
                self._read = _READER.decode(self.text)
            except msgspec.ValidationError:  # a number that is too large for it
                self._read = json.loads(self.text, parse_float=_exactly)
        return self._read

    def __eq__(self, other: object) -> bool:
        """Return whether *other* is the same document, carried or not."""
        return self.fields == (other.fields if isinstance(other, Carried) else other)


def _exactly(number: str) -> Decimal | str:
    """Return *number*, as text where nothing of ours holds it. No client sends such numbers."""
    try:
        value = Decimal(number)
    except ArithmeticError:
        return number
    return value if in_range(value) else number


_READER = msgspec.json.Decoder(dict[str, Any])
