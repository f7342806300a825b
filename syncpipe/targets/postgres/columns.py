"""The columns of a user's table, and how values are written to them."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from psycopg import sql

from syncpipe.core.collection import KeyType
from syncpipe.core.document import plain, tagged, untagged
from syncpipe.core.operation import Kind, Operation
from syncpipe.errors import Refused, TargetMisconfigured
from syncpipe.targets.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from syncpipe.core.collection import Collection

_JSON_TYPES = {"json", "jsonb"}
_KEY_TYPES = {
    KeyType.STR: {"text", "varchar"},
    KeyType.INT: {"int2", "int4", "int8", "text", "varchar"},
    KeyType.UUID: {"uuid", "text", "varchar"},
}
#: How values of a type are read that JSON does not know.
_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "bytea": lambda text: bytes.fromhex(text.removeprefix("\\x")),
        "date": dt.date.fromisoformat,
        "float4": float,
        "float8": float,
        "numeric": Decimal,
        "time": dt.time.fromisoformat,
        "timestamptz": dt.datetime.fromisoformat,
        "uuid": uuid.UUID,
    }
)
_COUNTABLE_TYPES = {"int2", "int4", "int8", "numeric", *_JSON_TYPES}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    #: Its name.
    name: str
    #: Its type as people write it.
    type_text: str
    #: Category of its type, see ``pg_type.typcategory``.
    category: str
    #: Name of its type.
    type_name: str
    #: Fraction digits of a ``numeric`` with a declared scale.
    scale: int | None
    #: Whether the database alone gives it its value.
    generated: bool
    #: Whether NULL is refused.
    not_null: bool
    #: Whether texts that are spelled differently are different.
    deterministic: bool = True

    def text(self, value: Any) -> str:
        """Return *value* as JSON text for this column."""
        return tagged(value) if self.type_name in _JSON_TYPES else plain(value)

    def value(self, stored: Any) -> Any:
        """Return a value of this column, given as JSON has it, as operations have it.

        What JSON cannot say and no operation holds, such as the time "infinity", stays a text.
        """
        if self.type_name in _JSON_TYPES:
            return untagged(stored, exact=False)
        read = _READERS.get(self.type_name)
        if read is None:
            return stored
        try:
            return read(stored)
        except (ArithmeticError, TypeError, ValueError):
            return stored

    def key_fault(self, kind: KeyType) -> str | None:
        """Return why two keys of type *kind* could name one row by this column, or None.

        Memory and ledger know a record by its canonical text, so texts must be rows one to one.
        """
        if self.type_name in _KEY_TYPES[kind] and self.deterministic:
            return None
        fitting = [each.value for each, names in _KEY_TYPES.items() if self.type_name in names]
        if fitting and self.deterministic:
            return f'is {self.type_text}: declare "{fitting[0]}" for it in key_types'
        return f"is {self.type_text}, in which different keys can be one row: it cannot be a key"

    def counting_fault(self, amount: int | Decimal) -> str | None:
        """Return why *amount* cannot be added exactly to this column, or None."""
        if self.type_name not in _COUNTABLE_TYPES:
            return f"column {self.name!r} is {self.type_text}; increments need integer or numeric"
        exponent = amount.as_tuple().exponent if isinstance(amount, Decimal) else 0
        digits = -exponent if isinstance(exponent, int) else 0
        limit = self.scale if self.type_name == "numeric" else 0
        if self.type_name not in _JSON_TYPES and limit is not None and digits > limit:
            return f"{amount} has more fraction digits than column {self.name!r} ({self.type_text})"
        return None


@dataclass(frozen=True, slots=True)
class Columns:
    """What a collection may write in its table."""

    #: Key columns, in the order of the key.
    key: tuple[Column, ...]
    #: Declared columns besides the key.
    declared: Mapping[str, Column]

    def document(self, text: str) -> dict[str, Any]:
        """Return the declared columns of a row, given as the text of a JSON object, without NULLs.

        Values are as operations have them where JSON and the column's type tell.
        """
        row = json.loads(text, parse_float=Decimal)
        return {
            name: column.value(row[name])
            for name, column in self.declared.items()
            if row.get(name) is not None
        }

    def fault(self, operation: Operation) -> str | None:
        """Return why *operation* does not fit the columns, or None."""
        known = {column.name for column in self.key}
        for name, value in operation.fields.items():
            if operation.kind is Kind.INCREMENT and name in known:
                return f"field {name!r} is part of the key and cannot be incremented"
            if name in known:
                continue
            column = self.declared.get(name)
            if column is None:
                return (
                    f"field {name!r} is not a declared column; declared: {', '.join(self.declared)}"
                )
            if operation.kind is Kind.INCREMENT and (why := column.counting_fault(value)):
                return why
        return None


def relation_text(table: str) -> str:
    """Return the name *table*, ``schema.table`` as it is written there, quoted for PostgreSQL."""
    return sql.Identifier(*table.split(".")).as_string()


def refusal(operation: Operation, why: str) -> Refused:
    """Return the error for an *operation* that does not fit its table."""
    return Refused(f"Operation {operation.uuid} for {operation.collection!r}: {why}.")


def read_columns(connection: psycopg.Connection[Any], collection: Collection) -> Columns:
    """Return the columns of the table of *collection*.

    Raises:
        TargetMisconfigured: the table, a key column or a declared column is missing or generated,
            a key column is not of its declared type, or no unique constraint covers exactly the
            key.

    """
    relation = relation_text(collection.table or "")
    rows = connection.execute(statement("tables", "columns"), {"table": relation})
    found = {column.name: column for column in (Column(*row) for row in rows)}
    where = f"Table {collection.table} of collection {collection.name!r}"
    if not found:
        raise TargetMisconfigured(f"{where} does not exist, or its schema may not be used.")
    writable = [
        n for n, column in found.items() if not column.generated and n not in collection.key
    ]
    declared = [name for name in collection.fields or writable if name not in collection.key]
    missing = [name for name in (*collection.key, *declared) if name not in found]
    if missing:
        raise TargetMisconfigured(f"{where} has no column {', '.join(map(repr, missing))}.")
    if computed := [n for n in (*collection.key, *declared) if found[n].generated]:
        raise TargetMisconfigured(
            f"{where}: column {computed[0]!r} is always generated by the database; it cannot be "
            "written, so do not declare it."
        )
    for name, kind in zip(collection.key, collection.key_types, strict=True):
        if why := found[name].key_fault(kind):
            raise TargetMisconfigured(f"{where}: key column {name!r} {why}.")
    arguments = {"table": relation, "key": list(collection.key)}
    if connection.execute(statement("tables", "unique_key"), arguments).fetchone() != (True,):
        key = ", ".join(collection.key)
        raise TargetMisconfigured(f"{where} has no primary key or unique constraint on ({key}).")
    return Columns(
        tuple(found[name] for name in collection.key), {name: found[name] for name in declared}
    )
