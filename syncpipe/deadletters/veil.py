"""What of operations may be seen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncpipe.core.document import tagged
from syncpipe.core.masking import kind_of, without_values

if TYPE_CHECKING:
    from syncpipe.core.operation import Operation

#: What `tagged` raises for what no client sends, though a dead letter may hold it.
_UNWRITABLE = (LookupError, TypeError, ValueError, RecursionError)


class Veil:
    """Shows what is in operations, or what stands for it."""

    def __init__(self, *, lifted: bool = False) -> None:
        """Hide what is masked, unless it is *lifted*."""
        #: Whether everything is seen.
        self.lifted = lifted

    def value(self, collection: str, field: str, value: Any) -> Any:  # noqa: ARG002
        """Return what may be seen of the *value* of a *field*, as JSON has it, with tags."""
        return in_json(value) if self.lifted else kind_of(value)

    def message(self, message: str, operation: Operation | None) -> str:
        """Return an error's *message*, without what the *operation* holds."""
        return message if self.lifted else without_values(message, operation)


def in_json(value: Any) -> Any:
    """Return *value* as JSON has it, with the tags of documents."""
    try:
        return json.loads(tagged(value))
    except _UNWRITABLE:
        return f"a {type(value).__name__} that cannot be written"
