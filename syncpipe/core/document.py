"""Values as JSON text, for documents (tagged) and for columns (plain).

JSON has no decimals, bytes, times or UUIDs. In documents they are written as strings with a tag, in
the manner of Transit: a string that begins with ``~`` is tagged, and text that itself begins with
``~`` gets one more.

=========  ===================================  =====================
tag        type                                 example
=========  ===================================  =====================
``~~``     text that begins with ``~``          ``"~~home"``
``~f``     Decimal                              ``"~f12.50"``
``~n``     integer of more than 4000 digits     ``"~n0x1f…"``
``~b``     bytes, base64                        ``"~baGk="``
``~t``     aware datetime, RFC 3339             ``"~t2024-05-01T12:00:00+02:00"``
``~d``     date                                 ``"~d2024-05-01"``
``~h``     time of day                          ``"~h12:00:00"``
``~u``     UUID                                 ``"~u0190…"``
=========  ===================================  =====================

Columns have types of their own, so there the same values are written as PostgreSQL reads them.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
import uuid
from decimal import Decimal
from functools import lru_cache
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

#: Integers with more bits than this are tagged: Python and other readers limit decimal digits.
_MAX_INT_BITS = 13_280

#: Types that msgspec writes as we do, as far as `_at_once` looks at them.
_SAME = frozenset({type(None), bool, int, float, str})
#: How what begins like a tag, and a NUL, look in JSON. Others may look alike, but few do.
_TAG, _NUL = b'"~', b"\\u0000"
#: An integer that is tagged has so many digits that it shows by every so-many-th byte.
_STEP = 40
_MANY_DIGITS = re.compile(rb"[0-9]{99}")
#: Floats that everybody writes without exponent.
_FLAT_FROM, FLAT_TO = 1e-4, 1e15
_JSON = msgspec.json.Encoder()
_Writers = dict[type, "Callable[[Any], str]"]


def tagged(value: Any) -> str:
    """Return *value* as JSON text with tags."""
    return _TAGGED[type(value)](value)


def plain(value: Any) -> str:
    """Return *value* as JSON text as PostgreSQL's types read it, for a column that is not JSON."""
    return _PLAIN[type(value)](value)


def json_object(members: Mapping[str, str]) -> str:
    """Return a JSON object of *members*, whose values are JSON text already."""
    return "{" + ",".join([_name(n) + text for n, text in members.items()]) + "}"


def may_need_a_tag(text: bytes) -> bool:
    """Return whether *text*, which is JSON, holds what begins like a tag, or perhaps a NUL."""
    # One character is found much faster than several, and most texts do not have it.
    return (b"~" in text and _TAG in text) or may_hold_nul(text)


def may_hold_nul(text: bytes) -> bool:
    """Return whether *text*, which is JSON, perhaps holds a NUL."""
    return b"\\" in text and _NUL in text


def may_be_huge(text: bytes) -> bool:
    """Return whether *text*, which is JSON, perhaps holds an integer that is tagged."""
    return _MANY_DIGITS.search(text[::_STEP]) is not None


def untagged(value: Any, *, exact: bool = True) -> Any:
    """Return the value that *value*, a parsed JSON text with tags, stands for.

    A text that begins with a tag but does not go on like one stays as it is. Unless *exact*,
    numbers that were parsed as Decimal, and have no tag, become floats.
    """
    match value:
        case str() if value[:1] == "~":
            return _untagged_text(value)
        case list():
            return [untagged(item, exact=exact) for item in value]
        case dict():
            return {name: untagged(item, exact=exact) for name, item in value.items()}
        case Decimal() if not exact:
            return float(value)
    return value


def _untagged_text(text: str) -> Any:
    read = _TAGS.get(text[1:2])
    if read is None:
        return text
    try:
        return read(text[2:])
    except (ArithmeticError, ValueError):
        return text


def read_number(value: Any) -> Any:
    """Return a stored JSON value as what increments add to: int, Decimal, or as it is.

    *value* is parsed with fractions as Decimal; tagged numbers are recognised.
    """
    if isinstance(value, str):
        if value.startswith("~f"):
            return Decimal(value[2:])
        if value.startswith("~n"):
            return int(value.removeprefix("~n"), 0)
    return value


def _float(value: float) -> str:
    """Write *value* without exponent and with a point, so that it is read as a float again."""
    text = repr(value)
    if "e" in text:
        text = format(Decimal(text), "f")
        return text if "." in text else text + ".0"
    return text


def _object(writers: _Writers, value: dict[str, Any]) -> str:
    members = [_name(n) + writers[type(v)](v) for n, v in value.items()]
    return "{" + ",".join(members) + "}"


def _tagged_object(value: dict[str, Any]) -> str:
    return (_is_flat(value.values()) and _at_once(value)) or _object(_TAGGED, value)


def _tagged_array(value: list[Any]) -> str:
    return (_is_flat(value) and _at_once(value)) or _array(_TAGGED, value)


def _is_flat(values: Collection[Any]) -> bool:
    """Whether *values* are texts, numbers and the like, none of which would get an exponent."""
    kinds = set(map(type, values))
    return kinds <= _SAME and (float not in kinds or all(map(_has_no_exponent, values)))


def _at_once(whole: Any) -> str | None:
    """Return the JSON text of *whole*, written at once by msgspec, which is several times as fast.

    Every value in it, at each level, has to be one of `_is_flat`, or hold such. None where one of
    them may need a tag, or may not travel.
    """
    try:
        text = _JSON.encode(whole)
    except ValueError:  # a lone surrogate, or an int with more digits than Python likes to write
        return None
    return None if may_need_a_tag(text) or may_be_huge(text) else text.decode()


def _has_no_exponent(value: Any) -> bool:
    return type(value) is not float or value == 0 or _FLAT_FROM <= abs(value) < FLAT_TO


@lru_cache(maxsize=4096)
def _name(name: str) -> str:
    """Return a member's name with its colon; the same few come again and again."""
    return encode_basestring(name) + ":"


def _array(writers: _Writers, value: list[Any]) -> str:
    return "[" + ",".join([writers[type(item)](item) for item in value]) + "]"


def _tagged_str(value: str) -> str:
    return encode_basestring("~" + value if value.startswith("~") else value)


def _tagged_int(value: int) -> str:
    return repr(value) if value.bit_length() <= _MAX_INT_BITS else f'"~n{value:#x}"'


def _plain_int(value: int) -> str:
    return str(value) if value.bit_length() <= _MAX_INT_BITS else f"{Decimal(value):f}"


_TAGGED: _Writers = {
    type(None): lambda _: "null",
    bool: lambda value: "true" if value else "false",
    int: _tagged_int,
    float: _float,
    str: _tagged_str,
    Decimal: lambda value: f'"~f{value}"',
    bytes: lambda value: f'"~b{base64.b64encode(value).decode()}"',
    dt.datetime: lambda value: f'"~t{value.isoformat()}"',
    dt.date: lambda value: f'"~d{value.isoformat()}"',
    dt.time: lambda value: f'"~h{value.isoformat()}"',
    uuid.UUID: lambda value: f'"~u{value}"',
    list: _tagged_array,
    dict: _tagged_object,
}

_PLAIN: _Writers = {
    **_TAGGED,
    int: _plain_int,
    str: encode_basestring,
    Decimal: lambda value: f"{value:f}",
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    dt.datetime: lambda value: f'"{value.isoformat()}"',
    dt.date: lambda value: f'"{value.isoformat()}"',
    dt.time: lambda value: f'"{value.isoformat()}"',
    uuid.UUID: lambda value: f'"{value}"',
    list: lambda value: _array(_PLAIN, value),
    dict: lambda value: _object(_PLAIN, value),
}

#: How what follows a tag is read.
_TAGS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {
        "~": lambda text: "~" + text,
        "f": Decimal,
        "n": lambda text: int(text, 0),
        "b": lambda text: base64.b64decode(text, validate=True),
        "t": dt.datetime.fromisoformat,
        "d": dt.date.fromisoformat,
        "h": dt.time.fromisoformat,
        "u": uuid.UUID,
    }
)
