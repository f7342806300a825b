"""What a document table contains, read over a connection of its own and decoded."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_QUERY = "rows.sql"
_ROWS_PER_FETCH = 1000


class ActualRow(NamedTuple):
    """One row of the table whose record exists."""

    #: Collection of the record.
    collection: str
    #: Key text of the record.
    key_text: str
    #: Its decoded document; an `Unreadable` in place of what cannot be decoded.
    document: object


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stored text that the documented encoding does not explain; equal to no expected value."""

    #: The text as it was found.
    text: str


def actual(dsn: str, table: tuple[str, str] = ("syncpipe", "documents")) -> Iterator[ActualRow]:
    """Read every existing record of a document-mode table, given as its schema and name.

    Raises psycopg's errors when the database cannot be read.
    """
    import psycopg  # noqa: PLC0415 - judging needs no database, only reading does
    from psycopg import sql  # noqa: PLC0415

    text = resources.files(__package__).joinpath(_QUERY).read_text(encoding="utf-8")
    query = sql.SQL(text).format(table=sql.Identifier(*table))
    with psycopg.connect(dsn) as connection, connection.cursor(name="oracle") as cursor:
        cursor.itersize = _ROWS_PER_FETCH
        for collection, key_text, document in cursor.execute(query):
            yield ActualRow(collection, key_text, decoded_document(document))


def decoded_document(text: str) -> object:
    """Return the value of a stored document's JSON text."""
    try:
        return decoded(json.loads(text))
    except (ValueError, RecursionError):
        return Unreadable(text)


def decoded(value: object) -> object:
    """Return what a JSON value stands for: strings that start with ``~`` are tagged scalars."""
    if isinstance(value, dict):
        return {name: decoded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if isinstance(value, str) and value.startswith("~"):
        return _untagged(value)
    return value


def _untagged(text: str) -> object:
    decode = _TAGS.get(text[1:2])
    try:
        return Unreadable(text) if decode is None else decode(text[2:])
    except (ValueError, ArithmeticError):
        return Unreadable(text)


def _integer(digits: str) -> int:
    """Return an integer of any length; a decimal text goes through Decimal, which has no limit."""
    return int(digits, 16) if "0x" in digits else int(Decimal(digits))


#: Decoders by the character after the ``~``.
_TAGS: dict[str, Callable[[str], object]] = {
    "~": lambda text: "~" + text,
    "f": Decimal,
    "b": lambda text: b64decode(text, validate=True),
    "t": datetime.fromisoformat,
    "d": date.fromisoformat,
    "h": time.fromisoformat,
    "u": UUID,
    "n": _integer,
}
