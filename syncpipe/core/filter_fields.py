"""The fields that filters of dead letters know, and what may be written for each. Pure."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from typing import TYPE_CHECKING, TypeAlias

from syncpipe.core.filtering import Comparison, Term
from syncpipe.core.operation import KINDS
from syncpipe.core.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Name of the field under which the fields of operations are.
DATA = "data"
#: Moments that can be written: those of the years 1970 to 9999, milliseconds since the Unix epoch.
LAST_MOMENT_MS = 253_402_300_799_999
#: What may become of a dead letter.
STATES = ("open", "replaying", "resolved", "edited", "discarded")
#: Hexadecimal digits of a fingerprint, and of a UUID; fewer are a beginning.
_FINGERPRINT, _UUID = 16, 32
#: Fewest digits that say which UUID is meant.
_FEWEST = 8
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_OURS = re.compile(r"(?:SP-)?E(\d{0,3})", re.IGNORECASE | re.ASCII)
_CODE = re.compile(r"SP-E\d{3}|[0-9A-Z]{5}|[1-5]\d\d", re.ASCII)
_BEGINNING = re.compile(r"[0-9A-Z-]{0,8}")
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
#: Values of comparisons by size are no longer than this.
_LONGEST_SIZE = 400
#: Most characters of a written value in a message.
_SHOWN = 40

Reader: TypeAlias = "Callable[[str, Comparison, str, int], Term]"


class Unreadable(ValueError):
    """A value that its field cannot have; the message says what it can."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a sentence that proposes what *word* was meant to be, out of the *known* words."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"There are {', '.join(names)}."


def shown(text: str) -> str:
    """Return *text* for a message, shortened."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def moment_text(moment_ms: int) -> str:
    """Return milliseconds since the Unix epoch as filters write moments."""
    moment = _EPOCH + min(max(moment_ms, 0), LAST_MOMENT_MS) * _MILLISECOND
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
    _only(field, comparison, Comparison.EQUAL, Comparison.PREFIX)
    return Term(field, comparison, value)


def _code(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
    """Read a code of ours, with or without its beginning, an SQLSTATE, or a status of HTTP."""
    _only(field, comparison, Comparison.EQUAL, Comparison.PREFIX)
    ours = _OURS.fullmatch(value)
    code = f"SP-E{ours[1]}" if ours else value.upper()
    form = _CODE if comparison is Comparison.EQUAL else _BEGINNING
    if not form.fullmatch(code):
        raise Unreadable("A code is one of ours (SP-E511), an SQLSTATE (23505), or a status (409).")
    return Term(field, comparison, code)


def _word(*words: str) -> Reader:
    def read(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
        _only(field, comparison, Comparison.EQUAL)
        if value.lower() not in words:
            raise Unreadable(f"{field} has no {shown(value)}. {suggestion(value, words)}")
        return Term(field, comparison, value.lower())

    return read


def _fingerprint(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
    digits = _digits(field, comparison, value, _FINGERPRINT)
    whole = len(digits) == _FINGERPRINT
    return Term(field, Comparison.EQUAL if whole else Comparison.PREFIX, digits)


def _uuid(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
    digits = _digits(field, comparison, value.replace("-", ""), _UUID)
    if len(digits) < _FEWEST:
        raise Unreadable(f"{field} takes {_FEWEST} hexadecimal digits at least.")
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    text = "-".join(part for part in parts if part)
    whole = len(digits) == _UUID
    return Term(field, Comparison.EQUAL if whole else Comparison.PREFIX, text)


def _number(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
    if comparison is Comparison.PREFIX or not _INTEGER.fullmatch(value):
        raise Unreadable(f"{field} takes a whole number of at most 18 digits, as in {field}:>=5.")
    return Term(field, comparison, int(value))


def _age(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:
    """Read how long ago it was given up last, as a moment: what is older was given up before."""
    turned = _TURNED.get(comparison)
    try:
        seconds = parse_duration(value) if len(value) <= _LONGEST_SIZE else None
    except ValueError:
        seconds = None
    if turned is None or seconds is None:
        raise Unreadable(f"{field} takes < or > and a number of ms, s, m, h, d or w: {field}:>1h.")
    moment_ms = min(max(now_ms - round(seconds * 1000), 0), LAST_MOMENT_MS)
    return Term("last", turned, moment_ms)


def _moment(field: str, comparison: Comparison, value: str, now_ms: int) -> Term:  # noqa: ARG001
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if comparison not in _TURNED or moment is None:
        raise Unreadable(f"{field} takes < or > and a time: {field}:>=2026-03-01T08:00Z.")
    if moment.utcoffset() is None:
        moment = moment.replace(tzinfo=dt.UTC)
    moment_ms = (moment - _EPOCH) // _MILLISECOND
    return Term(field, comparison, min(max(moment_ms, 0), LAST_MOMENT_MS))


def data_term(path: tuple[str, ...], comparison: Comparison, value: str) -> Term:
    """Return the term of the field *path* of an operation. Raises Unreadable."""
    by_size = comparison in _TURNED
    if by_size and not (NUMBER.fullmatch(value) and len(value) <= _LONGEST_SIZE):
        raise Unreadable(f"What is in an operation is compared with a number: data.{path[0]}:>12.5")
    return Term(DATA, comparison, value, path)


def _only(field: str, comparison: Comparison, *possible: Comparison) -> None:
    if comparison not in possible:
        raise Unreadable(f"{field} cannot be written with {comparison.value}, only as {field}:…")


def _digits(field: str, comparison: Comparison, value: str, most: int) -> str:
    _only(field, comparison, Comparison.EQUAL, Comparison.PREFIX)
    digits = value.lower()
    if not 0 < len(digits) <= most or set(digits) - set("0123456789abcdef"):
        raise Unreadable(f"{field} takes up to {most} hexadecimal digits, or the first of them.")
    return digits


#: Comparisons by size, and how a moment is compared where its age is compared so.
_TURNED = {
    Comparison.LESS: Comparison.MORE,
    Comparison.AT_MOST: Comparison.AT_LEAST,
    Comparison.MORE: Comparison.LESS,
    Comparison.AT_LEAST: Comparison.AT_MOST,
}
#: How the value of each field is read; what is below ``data`` has paths for names.
READERS: dict[str, Reader] = {
    "target": _text,
    "collection": _text,
    "key": _text,
    "code": _code,
    "sqlstate": _text,
    "constraint": _text,
    "status": _number,
    "endpoint": _text,
    "stage": _text,
    "kind": _word(*KINDS),
    "state": _word(*STATES),
    "attempts": _number,
    "age": _age,
    "first": _moment,
    "last": _moment,
    "fp": _fingerprint,
    "id": _uuid,
    "op": _uuid,
    "replay": _uuid,
    "worker": _text,
}
#: Words that people may try, and the fields that they mean.
MEANT = {
    "fingerprint": "fp",
    "group": "fp",
    "cause": "fp",
    "error": "code",
    "operation": "op",
    "operation_id": "op",
    "times": "attempts",
    "times_seen": "attempts",
    "table": "collection",
    "record": "key",
    "first_seen": "first",
    "last_seen": "last",
    "field": "data.NAME",
}
