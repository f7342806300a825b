"""Entries of the audit as dicts ready for JSON, and the lines of an export, back and forth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncpipe.core.audit import Act, Head, Record
from syncpipe.errors import NotPossible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TEXTS = ("actor", "verb", "subject", "reason")


def row_of(record: Record) -> dict[str, Any]:
    """Return *record* with its members by name."""
    act = record.act
    return {
        "number": record.number,
        "at_ms": record.at_ms,
        **{name: getattr(act, name) for name in _TEXTS},
        "details": act.details,
        "key_id": record.key_id,
        "mac": record.mac,
    }


def head_row(head: Head) -> dict[str, str]:
    """Return the last line of an export that ends with *head*."""
    return {"head": str(head)}


def read_lines(lines: Iterable[str]) -> Iterator[Record | Head]:
    """Yield what an export's *lines* say: its entries, and its head, which is the last line.

    Raises:
        NotPossible: a line is none of an export, or the head is missing, or not at the end.

    """
    found: Record | Head | None = None
    for number, line in enumerate(lines, 1):
        if isinstance(found, Head):
            raise NotPossible(f"Line {number} stands behind the head, which ends an export.")
        found = _read(number, line)
        yield found
    if not isinstance(found, Head):
        raise NotPossible("The export has no head at its end: it was cut off.")


def _read(number: int, line: str) -> Record | Head:
    try:
        row = json.loads(line)
        if set(row) == {"head"}:
            return Head.read(row["head"])
        texts = {name: _text(row[name]) for name in _TEXTS}
        act = Act(**texts, details=row["details"])
        of_key, mac = _text(row["key_id"]), _text(row["mac"])
        return Record(int(row["number"]), int(row["at_ms"]), act, of_key, mac)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise NotPossible(f"Line {number} is no entry of an exported audit.") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
