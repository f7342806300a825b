"""What of operations somebody sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.core.masking import without_values
from syncpipe.core.masks import revealed

if TYPE_CHECKING:
    from syncpipe.core.masks import Masks
    from syncpipe.core.operation import Operation


@dataclass(frozen=True, slots=True)
class Veil:
    """Shows what is in operations, or what stands for it."""

    #: What is shown of which field.
    masks: Masks
    #: Whether everything is seen.
    lifted: bool = False

    def value(self, collection: str, field: str, value: Any) -> Any:
        """Return what is seen of the *value* of a *field*, as JSON has it, with tags."""
        if self.lifted:
            return revealed(value)
        return self.masks.of(collection).masked({field: value})[field]

    def message(self, message: str, operation: Operation | None) -> str:
        """Return an error's *message*, without what the *operation* holds."""
        return message if self.lifted else without_values(message, operation)
