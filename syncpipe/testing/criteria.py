"""What an assertion looks for among enqueued operations."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Any, TypedDict

from syncpipe.core.keys import canonical_key
from syncpipe.core.operation import KINDS, Kind, created_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.producer.draft import Key


class Criteria(TypedDict, total=False):
    """What an operation must fit: its collection, key, kind (also as a word), and data.

    ``data`` is the whole of it, ``data__contains`` some of its fields. ``delay``, ``not_before``,
    ``expires_in`` and ``group_id`` are as in the call; None is what was sent without.
    """

    collection: str
    key: Key
    kind: Kind | str
    data: Mapping[str, Any]
    data__contains: Mapping[str, Any]
    delay: float | dt.timedelta | None
    not_before: dt.datetime | None
    expires_in: float | dt.timedelta | None
    group_id: str | uuid.UUID | None


def fits(operation: Operation, collection: Collection, criteria: Criteria) -> bool:
    """Whether *operation*, of *collection*, fits all *criteria*."""
    return all(_fits(operation, collection, name, value) for name, value in criteria.items())


def listed(operations: Iterable[Operation]) -> str:
    """Return *operations* as lines for a message."""
    lines = [f"  {o.kind.word} {o.collection} {o.key} {dict(o.fields)}" for o in operations]
    return "\n".join(["Enqueued:", *lines]) if lines else "Nothing is enqueued."


def _fits(operation: Operation, collection: Collection, name: str, value: Any) -> bool:
    match name:
        case "collection":
            return operation.collection == str(value)
        case "key":
            return operation.key == canonical_key(collection, value)
        case "kind":
            return operation.kind is (KINDS[value] if isinstance(value, str) else Kind(value))
        case "data":
            return operation.fields == dict(value)
        case "data__contains":
            fields = operation.fields
            return all(member in fields and fields[member] == v for member, v in value.items())
        case "delay" | "not_before" | "expires_in" | "group_id":
            return _said(operation, name) == _seconds(value)
    raise TypeError(f"There is no criterion {name!r}.")


def _said(operation: Operation, name: str) -> object:
    """Return what the call said as *name*: seconds, or a group's id."""
    called_ms = created_ms(operation.id)
    match name:
        case "delay":
            due_ms = operation.not_before_ms
            return (due_ms - called_ms) / 1000 if due_ms else None
        case "not_before":
            return operation.not_before_ms / 1000 or None
        case "expires_in":
            expires_ms = operation.expires_ms
            return (expires_ms - called_ms) / 1000 if expires_ms else None
    return operation.group_id and str(uuid.UUID(bytes=operation.group_id))


def _seconds(value: object) -> object:
    """Return *value* in the form of `_said`."""
    match value:
        case dt.timedelta():
            return value.total_seconds()
        case dt.datetime():
            return value.timestamp()
        case uuid.UUID():
            return str(value)
    return value
