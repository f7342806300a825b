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

_CHECKS = {
    Kind.UPSERT: check_document,
    Kind.PATCH: check_patch,
    Kind.INCREMENT: check_amounts,
}


def check_data(
    kind: Kind, collection: Collection, key: str, data: Mapping[str, Any] | None
) -> None:
    """Check the *data* of an operation on the record with the canonical *key*.

    Raises:
        InvalidValue: something in it cannot travel, or does not fit the kind.
        InvalidKey: it contradicts the key, or would change it.

    """
    if kind is Kind.DELETE:
        if data is not None:
            raise InvalidValue("A delete takes no data.")
        return
    _CHECKS[kind](data)
    if data is None:
        return
    if kind is Kind.INCREMENT and not data.keys().isdisjoint(collection.key):
        raise InvalidKey("An increment cannot add to a field of the key.")
    check_key_fields(collection, key, data)
