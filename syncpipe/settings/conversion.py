"""From what was written to a value of the declared type, or a sentence that says why not."""

from __future__ import annotations

import enum
import math
import tomllib
import types
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from syncpipe.core.units import parse_duration, parse_size
from syncpipe.settings.mistake import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.settings.schema import Key


class UnfitError(ValueError):
    """A value does not fit its key."""

    def __init__(self, message: str, suggestion: str) -> None:
        """Keep what is wrong and what to write instead, a sentence each."""
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def convert(key: Key, value: object, *, untyped: bool) -> Any:
    """Return *value* as the type that *key* declares.

    With *untyped*, *value* is text from outside TOML and is first read as TOML would read it.

    Raises:
        UnfitError: it does not fit.

    """
    if untyped and isinstance(value, str):
        value = _typed(key.kind, value)
    return _convert(key, key.kind, value)


def _typed(kind: Any, text: str) -> object:
    """Read *text* as a TOML value, unless text is what is wanted or nothing else comes out."""
    if kind is str:
        return text
    try:
        value: object = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value


def _convert(key: Key, kind: Any, value: object) -> Any:
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _convert(key, get_args(kind)[0], value)
    if origin is tuple:
        return _each(key, get_args(kind)[0], value)
    if origin is Literal:
        return _choice(value, {word: word for word in get_args(kind)})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _choice(value, {member.value: member for member in kind})
    if kind is str:
        return "" if key.default == value == "" else _text(value)
    return _number(key, kind, value)


def _each(key: Key, kind: Any, value: object) -> tuple[Any, ...]:
    values = value if isinstance(value, list) else [value]
    if not values and key.default != ():
        raise UnfitError("The list is empty.", "Name at least one, or leave the key out.")
    return tuple(_convert(key, kind, each) for each in values)


def _choice(value: object, choices: dict[str, Any]) -> Any:
    if isinstance(value, str) and value in choices:
        return choices[value]
    raise UnfitError(
        f"{_shown(value)} is not one of the choices.", did_you_mean(str(value), choices)
    )


def _text(value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise UnfitError(f"{_shown(value)} is not a text.", 'Write it in quotes, such as "name".')


def _number(key: Key, kind: type[int | float], value: object) -> int | float:
    exact, unit = _exact(key, value), _unit(key)
    if kind is int and exact.denominator != 1:
        raise UnfitError(f"{_shown(value)} is not a whole number.", _sample(key))
    if exact < 0 or (exact == 0 and unit != "milliseconds" and not key.zero):
        raise UnfitError(f"{_shown(value)} is too small.", _sample(key))
    if exact > _MOST.get(unit, _MOST_UNITS):
        raise UnfitError(f"{_shown(value)} is too large.", _sample(key))
    return int(exact) if kind is int else float(exact)


def _exact(key: Key, value: object) -> Fraction:
    parse = _PARSERS.get(_unit(key))
    if isinstance(value, str) and parse is not None:
        try:
            return parse(value)
        except ValueError as error:
            raise UnfitError(f"{error}.", _sample(key)) from error
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return Fraction(value)
    raise UnfitError(f"{_shown(value)} is not a number.", _sample(key))


def _milliseconds(text: str) -> Fraction:
    return parse_duration(text) * 1000


_PARSERS: dict[str, Callable[[str], Fraction]] = {
    "milliseconds": _milliseconds,
    "seconds": parse_duration,
    "bytes": parse_size,
}
_UNITS = {"_ms": "milliseconds", "_s": "seconds", "_bytes": "bytes"}
_SAMPLES = {
    "milliseconds": 'Write milliseconds, such as 5, or a duration such as "250ms".',
    "seconds": 'Write seconds, such as 5, or a duration such as "250ms", "5s" or "30d".',
    "bytes": 'Write bytes, such as 1000000, or a size such as "64MiB".',
    "units": "Write a number above 0.",
}


#: The longest that anything here can sensibly wait, and what waiting calls still take.
_TEN_YEARS_S = 3650 * 86400
_MOST = {"milliseconds": _TEN_YEARS_S * 1000, "seconds": _TEN_YEARS_S}
#: Most of anything else: what every language and database counts exactly.
_MOST_UNITS = 2**53


def _unit(key: Key) -> str:
    """Return what the number counts: the end of the field's name says it."""
    return next((unit for end, unit in _UNITS.items() if key.field.endswith(end)), "units")


def _sample(key: Key) -> str:
    return _SAMPLES[_unit(key)]


def _shown(value: object) -> str:
    return "A table" if isinstance(value, dict) else repr(value)
