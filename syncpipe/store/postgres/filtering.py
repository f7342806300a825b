"""Filters as SQL conditions on rows of ``dead_letters``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from psycopg import sql

from syncpipe.core.filter_fields import DATA, LAST_MOMENT_MS, NUMBER
from syncpipe.core.filtering import Comparison, Either, Every, Not, Term
from syncpipe.store.postgres.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.core.filtering import Filter

#: The column of each field that is compared as a text, a UUID, a number, or a moment.
_TEXTS = {
    "target": "target",
    "collection": "collection",
    "key": "key",
    "code": "code",
    "sqlstate": "sqlstate",
    "constraint": "constraint",
    "endpoint": "endpoint",
    "stage": "stage",
    "state": "state",
    "fp": "fingerprint",
    "worker": "worker",
}
_UUIDS = {"id": "id", "op": "operation_id", "replay": "replay"}
_NUMBERS = {"attempts": "times_seen", "status": "status"}
_MOMENTS = {"first": "first_seen", "last": "last_seen"}
_SIZES = {
    Comparison.EQUAL: "equal",
    Comparison.LESS: "less",
    Comparison.AT_MOST: "at_most",
    Comparison.MORE: "more",
    Comparison.AT_LEAST: "at_least",
}
_DIGITS = re.compile("[0-9a-f]{1,32}")
_STATUS = re.compile(r"\d{3}", re.ASCII)
_SQLSTATE = re.compile(r"[0-9A-Z]{5}", re.ASCII)
#: Fewest digits of an id that tell which is meant.
_FEWEST_DIGITS = 8
#: PostgreSQL's bigint.
_MOST = 2**63 - 1
#: Digits of the longest number that is compared as one.
_LONGEST = 1_000


def condition(filter_: Filter) -> tuple[sql.Composed, dict[str, Any]]:
    """Return the condition that *filter_* is, and its parameters, whose names begin with ``f_``.

    No tree leads to an error of the database, also where no text would be parsed to it.
    """
    conditions = _Conditions()
    return conditions.of(filter_), conditions.parameters


def uuid_range(beginning: str) -> tuple[str, str] | None:
    """Return the first and the last UUID that begin with *beginning*; None where none does."""
    digits = beginning.lower().replace("-", "")
    if not _DIGITS.fullmatch(digits):
        return None
    return digits.ljust(32, "0"), digits.ljust(32, "f")


def named_range(id_: str) -> tuple[str, str] | None:
    """Return the first and the last UUID that *id_*, or the beginning of one, means.

    None where it means none: a beginning has 8 hexadecimal digits at least.
    """
    return uuid_range(id_) if len(id_.replace("-", "")) >= _FEWEST_DIGITS else None


class _Conditions:
    """Makes conditions, and gathers their parameters."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}

    def of(self, filter_: Filter) -> sql.Composed:
        """Return the condition that *filter_* is."""
        match filter_:
            case Term():
                return self._term(filter_)
            case Not(inner):
                return _fragment("not", inner=self.of(inner))
            case Every(parts):
                return _joined("and", map(self.of, parts)) if parts else _fragment("everything")
            case Either(parts):
                return _joined("or", map(self.of, parts)) if parts else _fragment("nothing")

    def _term(self, term: Term) -> sql.Composed:
        text, field = str(term.value), term.field
        if field == DATA and term.path:
            return self._data(term, text)
        if field in _UUIDS:
            return self._uuid(_column(_UUIDS[field]), term.comparison, text)
        if field in _NUMBERS or field in _MOMENTS:
            return self._number(term)
        if field == "kind":
            return self._text(_fragment("kind"), term.comparison, text)
        if field == "code":
            return self._code(term.comparison, text)
        return self._text(_column(_TEXTS[field]), term.comparison, text)

    def _text(self, column: sql.Composable, comparison: Comparison, value: str) -> sql.Composed:
        if comparison is Comparison.PREFIX:
            return _fragment("prefix", column=column, value=self._parameter(storable(value)))
        if comparison is not Comparison.EQUAL:
            return _fragment("nothing")
        if not value:
            return _fragment("missing", column=column)
        return _fragment("equal", column=column, value=self._parameter(storable(value)))

    def _code(self, comparison: Comparison, value: str) -> sql.Composed:
        """Compare code, SQLSTATE or status: whichever *value* has the form of."""
        if comparison is Comparison.PREFIX:
            return _fragment("code_prefix", value=self._parameter(storable(value)))
        if comparison is Comparison.EQUAL and _STATUS.fullmatch(value):
            return _fragment("status", value=self._parameter(int(value)))
        column = "sqlstate" if _SQLSTATE.fullmatch(value) else "code"
        return self._text(_column(column), comparison, value)

    def _uuid(self, column: sql.Composable, comparison: Comparison, value: str) -> sql.Composed:
        ends = uuid_range(value)
        if ends is None or comparison not in {Comparison.EQUAL, Comparison.PREFIX}:
            return _fragment("nothing")
        first, last = map(self._parameter, ends)
        return _fragment("within", column=column, value=first, last=last)

    def _number(self, term: Term) -> sql.Composed:
        size = _SIZES.get(term.comparison)
        if size is None or not isinstance(term.value, int):
            return _fragment("nothing")
        if term.field in _MOMENTS:
            name, column = f"moment_{size}", _MOMENTS[term.field]
            value = min(max(term.value, 0), LAST_MOMENT_MS)
        else:
            name, column = f"number_{size}", _NUMBERS[term.field]
            value = min(max(term.value, -_MOST), _MOST)
        return _fragment(name, column=_column(column), value=self._parameter(value))

    def _data(self, term: Term, value: str) -> sql.Composed:
        """Compare what is at a path: as a number where both are one, otherwise as a text."""
        path = self._parameter(list(map(storable, term.path)))
        size = _SIZES.get(term.comparison)
        is_number = NUMBER.fullmatch(value) and len(value) <= _LONGEST
        found = []
        if size is not None and is_number:
            number = _fragment("data_number", path=path)
            size_of = self._parameter(value)
            found.append(_fragment(f"size_{size}", column=number, value=size_of))
        if term.comparison is Comparison.EQUAL and not value:
            found.append(_fragment("data_missing", path=path))
        elif term.comparison in {Comparison.EQUAL, Comparison.PREFIX}:
            found.append(self._text(_fragment("data_text", path=path), term.comparison, value))
        if term.comparison is Comparison.EQUAL and value == "null":
            found.append(_fragment("data_null", path=path))
        return _joined("or", found) if found else _fragment("nothing")

    def _parameter(self, value: Any) -> sql.Placeholder:
        name = f"f_{len(self.parameters)}"
        self.parameters[name] = value
        return sql.Placeholder(name)


def _fragment(name: str, /, **slots: sql.Composable) -> sql.Composed:
    return statement("filtering", name, **slots)


def _column(name: str) -> sql.Composed:
    return _fragment("column", name=sql.Identifier(name))


def _joined(word: str, conditions: Iterable[sql.Composable]) -> sql.Composed:
    """Return *conditions* with *word* between each two, in parentheses."""
    pieces: list[sql.Composable] = []
    for each in conditions:
        pieces += [_fragment(word), each] if pieces else [each]
    return _fragment("group", inner=sql.SQL(" ").join(pieces))


def storable(text: str) -> str:
    """Return *text* as the table holds it: without NUL, and what UTF-8 cannot say."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
