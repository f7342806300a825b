"""Which values may travel: everything here comes out at the other end equal to what went in."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from syncpipe.core.numbers import in_range
from syncpipe.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Deepest nesting of lists and dicts; the document itself is level 1.
MAX_DEPTH = 64
#: Most characters of a value in a message.
_SHOWN_CHARACTERS = 80

#: A path as a chain of steps, built only when it is needed: (chain so far, step).
_Path = tuple[Any, Any]


def check_document(document: object) -> bool:
    """Raise `InvalidValue`, naming the path, unless *document* is a dict that may travel.

    Returns whether it is simple: MessagePack knows all that is in it, but for large integers.
    """
    if type(document) is not dict:
        raise InvalidValue(f"The data must be a dict, not {_named(document)}.")
    return _check_dict(document, (None, "data"), 1)


def check_patch(document: object) -> bool:
    """As `check_document`, and *document* must name at least one field."""
    simple = check_document(document)
    if not document:
        raise InvalidValue("A patch must name at least one field.")
    return simple


def check_amounts(amounts: object) -> bool:
    """As `check_document`, and *amounts* must name fields, with an int or Decimal for each."""
    simple = check_document(amounts)
    if not amounts:
        raise InvalidValue("An increment must name at least one field.")
    if TYPE_CHECKING:
        assert isinstance(amounts, dict)
    for name, amount in amounts.items():
        if type(amount) is not int and type(amount) is not Decimal:
            raise InvalidValue(
                f"data.{name} is {_named(amount)}; increments take int and Decimal, because float "
                "addition depends on the order."
            )
    return simple


def path_text(path: _Path | None) -> str:
    """Write a path chain as ``data.lines[3].price``."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).lstrip(".")


def text_fault(text: str) -> str | None:
    """Return what is wrong with *text*: PostgreSQL stores no NUL, UTF-8 no lone surrogate."""
    if "\0" in text:
        return "contains a NUL character"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "contains a lone surrogate"
    return None


def shown(value: object) -> str:
    """Return *value* for a message, shortened: it may be huge, or refuse to be written at all."""
    try:
        text = repr(value)
    except ValueError:  # an int with more digits than Python likes to write
        return f"a huge {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _check(value: Any, path: _Path, depth: int) -> bool:
    checker = _CHECKERS.get(type(value))
    if checker is None:
        raise InvalidValue(f"{path_text(path)} is {_named(value)}, which cannot travel.")
    return checker(value, path, depth)


def _check_dict(value: Mapping[Any, Any], path: _Path, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise _too_deep(path)
    simple = True
    for name, item in value.items():
        if type(name) is str and name.isascii() and "\0" not in name:
            kind = type(item)
            if (kind is str and item.isascii() and "\0" not in item) or kind in _SIMPLE:
                continue  # the common case, without a call for it
        if type(name) is not str:
            raise InvalidValue(
                f"{path_text(path)} has the key {shown(name)}, {_named(name)}, not a str."
            )
        if fault := text_fault(name):
            raise InvalidValue(f"A field name in {path_text(path)} {fault}: {shown(name)}.")
        if not _check(item, (path, name), depth + 1):
            simple = False
    return simple


def _check_list(value: list[Any], path: _Path, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise _too_deep(path)
    simple = True
    for index, item in enumerate(value):
        if not _check(item, (path, index), depth + 1):
            simple = False
    return simple


def _too_deep(path: _Path) -> InvalidValue:
    return InvalidValue(f"{path_text(path)} is nested deeper than {MAX_DEPTH} levels.")


def _check_str(value: str, path: _Path, depth: int) -> bool:  # noqa: ARG001 - one signature for all
    if fault := text_fault(value):
        raise InvalidValue(f"{path_text(path)} {fault}.")
    return True


def _check_float(value: float, path: _Path, depth: int) -> bool:  # noqa: ARG001
    if not math.isfinite(value):
        raise InvalidValue(f"{path_text(path)} is {value}, not a finite number.")
    return True


def _check_decimal(value: Decimal, path: _Path, depth: int) -> bool:  # noqa: ARG001
    if not in_range(value):
        raise InvalidValue(
            f"{path_text(path)} is not a finite decimal in PostgreSQL's numeric range."
        )
    return False


def _check_aware(value: dt.datetime, path: _Path, depth: int) -> bool:  # noqa: ARG001
    if value.utcoffset() is None:
        raise InvalidValue(f"{path_text(path)} is a datetime without time zone.")
    return False


def _check_time(value: dt.time, path: _Path, depth: int) -> bool:  # noqa: ARG001
    if value.tzinfo is not None and value.utcoffset() is None:
        raise InvalidValue(f"{path_text(path)} is a time whose zone has no fixed offset.")
    return False


def _accept(value: Any, path: _Path, depth: int) -> bool:  # noqa: ARG001
    """Accept any value of the type."""
    return type(value) in _SIMPLE


def _named(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


#: Types all of whose values may travel, and that MessagePack knows.
_SIMPLE = frozenset({type(None), bool, int, bytes})
_CHECKERS: dict[type, Callable[[Any, _Path, int], bool]] = {
    type(None): _accept,
    bool: _accept,
    int: _accept,
    float: _check_float,
    Decimal: _check_decimal,
    str: _check_str,
    bytes: _accept,
    dt.datetime: _check_aware,
    dt.date: _accept,
    dt.time: _check_time,
    uuid.UUID: _accept,
    list: _check_list,
    dict: _check_dict,
}
