"""What is shown of the fields of an operation or record to people who may not see it all. Pure.

Each field is redacted unless its collection has another rule for it. A field is masked as a whole,
with whatever is nested in it.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from syncpipe.core.chain import canonical
from syncpipe.core.document import tagged
from syncpipe.core.masking import HIDDEN

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The name that stands for every field without a rule of its own.
EVERY = "*"
#: How many characters of a text are shown in part, and of how many at least.
_TAIL, _LONG = 4, 12
#: Hexadecimal digits of a hash.
_DIGITS = 16


class MaskRule(enum.Enum):
    """What is shown of a field."""

    #: Nothing.
    REDACT = "redact"
    #: What is the same for equal values, and tells nothing else.
    HASH = "hash"
    #: The last four characters of texts of twelve and more; nothing of anything else.
    PARTIAL = "partial"
    #: All of it.
    SHOW = "show"


@dataclass(frozen=True, slots=True)
class Mask:
    """The rules of one collection."""

    #: What is shown of fields, by name; `EVERY` stands for the others.
    rules: Mapping[str, MaskRule]
    #: What hashes are made with: who has it can find out short values.
    key: bytes = field(repr=False)

    def rule(self, name: str) -> MaskRule:
        """Return the rule of a field."""
        return self.rules.get(name) or self.rules.get(EVERY) or MaskRule.REDACT

    def shows(self, name: str) -> bool:
        """Tell whether a field is shown as it is."""
        return self.rule(name) is MaskRule.SHOW

    def masked(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what may be shown of *data* by name, ready for JSON."""
        return {name: self._masked(self.rule(name), value) for name, value in data.items()}

    def _masked(self, rule: MaskRule, value: Any) -> Any:
        match rule:
            case MaskRule.SHOW:
                return revealed(value)
            case MaskRule.HASH:
                return self._hash(value)
            case MaskRule.PARTIAL if isinstance(value, str) and len(value) >= _LONG:
                return HIDDEN + value[-_TAIL:]
        return HIDDEN

    def _hash(self, value: Any) -> str:
        try:
            message = canonical(revealed(value))
        except ValueError:  # nothing that a client sends
            return HIDDEN
        return f"#{hmac.digest(self.key, message, hashlib.sha256).hex()[:_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Masks:
    """The rules of all collections."""

    #: What is shown of fields, by collection.
    rules: Mapping[str, Mapping[str, MaskRule]]
    #: What hashes are made with.
    key: bytes = field(repr=False)

    def of(self, collection: str | None) -> Mask:
        """Return the mask of a collection; where there is none, everything is redacted."""
        return Mask(self.rules.get(collection or "", {}), self.key)


def revealed(value: Any) -> Any:
    """Return *value* ready for JSON, with the tags of document mode and every digit of integers.

    What no client sends, such as what is nested too deeply, is named by its type alone.
    """
    try:
        return json.loads(tagged(value).encode())
    except (LookupError, TypeError, ValueError, RecursionError):
        return f"{HIDDEN} ({type(value).__name__})"
