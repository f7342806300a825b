"""From a record in a file to an operation: which fields are the key, the version, the data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncpipe.core.operation import Kind
from syncpipe.errors import InvalidKey, InvalidValue, InvalidVersion
from syncpipe.ops.records import ID_FIELD, STAMP_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

_INTEGER = re.compile(r"[+-]?\d+")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Change:
    """One operation to send."""

    #: Its key: one value, or a tuple of several in order.
    key: Any
    #: Fields, amounts, or None for a delete.
    data: dict[str, Any] | None
    #: Its version, where the source gives one or it is sent again.
    version: int | None
    #: Its id, where it is sent again.
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """How the records of a file become operations.

    Those with the fields `ID_FIELD` and `STAMP_FIELD` become the operations that they were before.
    """

    #: What each does.
    kind: Kind
    #: Fields that make up the key, in order; they are not part of the data.
    key: tuple[str, ...]
    #: Field that holds the version, not part of the data either.
    version_field: str | None = None

    def change(self, fields: Mapping[str, Any]) -> Change:
        """Return the operation that the record of these *fields* asks for.

        Raises:
            InvalidKey, InvalidVersion: the record lacks what it takes.
            InvalidValue: it adds something that is not a number.

        """
        data = dict(fields)
        operation_id, stamp = data.pop(ID_FIELD, None), data.pop(STAMP_FIELD, None)
        try:
            parts = tuple(data.pop(name) for name in self.key)
        except KeyError as fault:
            raise InvalidKey(f"There is no field {fault}, which is part of the key.") from fault
        version = self._version(data, stamp)
        key = parts[0] if len(parts) == 1 else parts
        return Change(key, self._data(data), version, operation_id)

    def _version(self, data: dict[str, Any], stamp: Any) -> Any:
        """Return the version that the source gave, or else that of the first sending."""
        if self.version_field is None:
            return stamp
        version = data.pop(self.version_field, None)
        if isinstance(version, str) and _INTEGER.fullmatch(version):
            return int(version)
        if type(version) is not int:
            raise InvalidVersion(f"The field {self.version_field!r} is {version!r}, not a version.")
        return version

    def _data(self, data: dict[str, Any]) -> dict[str, Any] | None:
        match self.kind:
            case Kind.DELETE:
                return None
            case Kind.INCREMENT:
                return {n: _amount(n, value) for n, value in data.items() if value is not None}
        return data


def _amount(name: str, value: Any) -> Any:
    """Return *value*, read as a number if it is text, as all of CSV is."""
    if not isinstance(value, str):
        return value
    if _INTEGER.fullmatch(value):
        return int(value)
    if _DECIMAL.fullmatch(value):
        return Decimal(value)
    raise InvalidValue(f"The field {name!r} is {value[:40]!r}, not a number to add.")
