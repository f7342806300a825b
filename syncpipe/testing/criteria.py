"""What an assertion looks for among enqueued operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from syncpipe.core.keys import canonical_key
from syncpipe.core.operation import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.core.collection import Collection
    from syncpipe.core.operation import Operation
    from syncpipe.producer.draft import Key


class Criteria(TypedDict, total=False):
    """What an operation must fit: its collection, key, kind (also as a word), and data.

    ``data`` is the whole of it, ``data__contains`` some of its fields.
    """

    collection: str
    key: Key
    kind: Kind | str
    data: Mapping[str, Any]
    data__contains: Mapping[str, Any]


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
    raise TypeError(f"There is no criterion {name!r}.")
