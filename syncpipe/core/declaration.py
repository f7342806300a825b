"""Whether an operation's data is what its kind and its collection's declaration allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.core.keys import check_key_fields
from syncpipe.core.operation import Kind
from syncpipe.core.values import check_amounts, check_document, check_patch
from syncpipe.errors import InvalidKey, InvalidValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncpipe.core.collection import Collection


def check_data(
    kind: Kind, collection: Collection, key: str, data: Mapping[str, Any] | None
) -> bool:
    """Check the *data* of an operation on the record with the canonical *key*.

    Returns whether it is simple, see `check_document`.

    Raises:
        InvalidValue: something in it cannot travel, or does not fit the kind.
        InvalidKey: it contradicts the key, or would change it.

    """
    simple = _CHECKS[kind](data)
    if not data:
        return simple
    for name in collection.key:
        if name in data:
            if kind is Kind.INCREMENT:
                raise InvalidKey("An increment cannot add to a field of the key.")
            check_key_fields(collection, key, data)
            break
    return simple


def _check_absence(data: object) -> bool:
    if data is not None:
        raise InvalidValue("A delete takes no data.")
    return True


_CHECKS = {
    Kind.UPSERT: check_document,
    Kind.PATCH: check_patch,
    Kind.DELETE: _check_absence,
    Kind.INCREMENT: check_amounts,
}
