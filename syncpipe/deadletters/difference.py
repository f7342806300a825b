"""What an operation would make of a record, field by field. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncpipe.core.change import recounted, resolve
from syncpipe.core.delta import delta_of
from syncpipe.core.document import plain
from syncpipe.core.numbers import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.change import Change
    from syncpipe.core.operation import Operation
    from syncpipe.targets.target import Present

#: What a field has that is not there.
ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field: as it was sent, as it is, and as it would become."""

    #: Its name.
    name: str
    #: Its value, or the amount, in the operation; `ABSENT` if it is not there, as for the rest.
    sent: Any
    #: Its value in the record now.
    now: Any
    #: Its value in the record if the operation came now.
    becomes: Any

    @property
    def word(self) -> str:
        """What would happen: same, added, changed, removed; kept, against what was sent."""
        if same(self.now, self.becomes):
            wanted = ABSENT if self.sent is None else self.sent
            return "same" if self.sent is ABSENT or same(wanted, self.now) else "kept"
        if self.now is ABSENT:
            return "added"
        return "removed" if self.becomes is ABSENT else "changed"


def difference(operation: Operation, present: Present, *, effective: bool) -> list[FieldDifference]:
    """Return the fields of *operation* and of the record, sorted by name.

    Unless it is *effective*, because the record is newer or has it already, nothing would change.
    """
    now = {n: value for n, value in (present.document or {}).items() if value is not None}
    becomes = _after(operation, present, now) if effective else now
    names = sorted({*operation.fields, *now, *becomes})
    return [
        FieldDifference(
            name,
            operation.fields.get(name, ABSENT),
            now.get(name, ABSENT),
            becomes.get(name, ABSENT),
        )
        for name in names
    ]


def same(left: Any, right: Any) -> bool:
    """Return whether two values are the same to a target, whose types may differ from ours."""
    if left is ABSENT or right is ABSENT:
        return left is right
    if _is_number(left) and _is_number(right):
        return bool(number(left) == number(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[n], right[n]) for n in left)
    if isinstance(left, list) and isinstance(right, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(same(a, b) for a, b in pairs)
    if isinstance(left, str) is not isinstance(right, str):
        return _as_text(left) == _as_text(right)
    return type(left) is type(right) and bool(left == right)


def _after(operation: Operation, present: Present, now: Mapping[str, Any]) -> dict[str, Any]:
    delta = delta_of(operation)
    change = resolve(present.memory, delta, current=now)
    becomes = _changed(now, change)
    for name in recounted(present.memory, delta):
        becomes[name] = now.get(name, ABSENT)  # increments above it are counted again: not known
    return {name: value for name, value in becomes.items() if value is not ABSENT}


def _changed(now: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return the fields after *change*; none where the record does not exist then."""
    if not change.exists:
        return {}
    if change.replace:
        kept = {name: value for name, value in now.items() if name in change.keep}
    else:
        kept = {name: value for name, value in now.items() if name not in change.removes}
    return {n: value for n, value in {**kept, **change.sets}.items() if value is not None}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _as_text(value: Any) -> str | None:
    """Return *value* as PostgreSQL writes it in a column of text, where that is plain."""
    match value:
        case str():
            return value
        case bool() | None | list() | dict():
            return None
        case dt.date() | dt.time():
            return value.isoformat()
    return plain(value).strip('"')
