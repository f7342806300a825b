"""The filter language: reading a text into a tree of filters, and writing it back. Pure.

.. code-block:: text

    either = every { "or" every }
    every  = { [ "and" ] part }
    part   = ( "-" | "not" ) part | "(" either ")" | term
    term   = field ":" value { "," value }
    field  = name | "data" "." step { "." step }
    value  = [ "<" | "<=" | ">" | ">=" ] ( word | quoted ) [ "*" ]
"""

from __future__ import annotations

import re
import uuid

from syncpipe.core.filter_fields import (
    DATA,
    MEANT,
    READERS,
    Unreadable,
    data_term,
    moment_text,
    shown,
    suggestion,
)
from syncpipe.core.filtering import ALL, Comparison, Either, Every, Filter, Not, Term
from syncpipe.errors import InvalidFilter

#: Most characters of a filter.
MAX_CHARACTERS = 8_000
#: Most values that a filter compares with.
MAX_TERMS = 100
#: Deepest nesting of parentheses and negations.
MAX_DEPTH = 16
#: Most steps of a path below ``data``.
MAX_STEPS = 16

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"(and|or|not)(?=[\s()]|$)", re.IGNORECASE | re.ASCII)
_NAME = re.compile(r"\w[\w-]*")
_STEP = re.compile(r"[\w-]+")
_SIZE = re.compile(r"[<>]=?")
_BARE = re.compile(r'[^\s()",]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
#: What PostgreSQL stores in no text, or UTF-8 cannot say.
_UNFIT = re.compile("[\0\ud800-\udfff]")
#: Fields whose values are moments.
_MOMENTS = ("first", "last")


def parse(text: str, *, now_ms: int) -> Filter:
    """Return the tree of the filter *text*; ages are counted back from *now_ms*.

    Raises:
        InvalidFilter: it is none; the error says what is wrong and at which column.

    """
    return _Parser(text, now_ms).whole()


def text_of(filter_: Filter) -> str:
    """Return a text that `parse` makes *filter_* of, at any time."""
    match filter_:
        case Term():
            return f"{_field(filter_)}:{_value(filter_)}"
        case Not(inner):
            return f"-{_part(inner)}"
        case Every(parts):
            return " ".join(map(_part, parts))
        case Either(()):
            return text_of(Not(ALL))
        case Either((Term() as first, *_) as parts) if _is_list(parts):
            values = [_value(part) for part in parts if isinstance(part, Term)]
            return f"{_field(first)}:{','.join(values)}"
        case Either(parts):
            return " or ".join(map(_alternative, parts))


class _Parser:
    """Reads one text from its beginning to its end."""

    def __init__(self, text: str, now_ms: int) -> None:
        self._text = text
        self._now_ms = now_ms
        self._at = 0
        self._terms = 0

    def whole(self) -> Filter:
        if len(self._text) > MAX_CHARACTERS:
            raise self._wrong(f"A filter has at most {MAX_CHARACTERS} characters.", MAX_CHARACTERS)
        if unfit := _UNFIT.search(self._text):
            raise self._wrong("This character is in no dead letter.", unfit.start())
        tree = self._either(0)
        if self._at < len(self._text):
            raise self._wrong("This parenthesis closes none. Leave it out, or quote the value.")
        if len(text_of(tree)) > MAX_CHARACTERS:
            raise self._wrong(f"Written out, it has more than {MAX_CHARACTERS} characters.", 0)
        return tree

    def _either(self, depth: int) -> Filter:
        parts = [self._alternative(depth)]
        while self._peek() == "or":
            at = self._at
            self._take(_WORD)
            parts.append(self._alternative(depth))
            if None in parts:
                raise self._wrong("Something has to stand on both sides of it.", at)
        found = [part for part in parts if part is not None]
        return Either(tuple(found)) if len(found) > 1 else (found or [ALL])[0]

    def _alternative(self, depth: int) -> Filter | None:
        """Read what fits together; None where there is nothing."""
        parts: list[Filter] = []
        while self._follows():
            if self._peek() == "and":
                at = self._at
                self._take(_WORD)
                if not parts or not self._follows() or self._peek() == "and":
                    raise self._wrong("Something has to stand on both sides of it.", at)
            parts.append(self._part(depth))
        if len(parts) > 1:
            return Every(tuple(parts))
        return parts[0] if parts else None

    def _follows(self) -> bool:
        """Skip spaces; whether one more part, or ``and``, stands here."""
        return self._space() and self._text[self._at] != ")" and self._peek() != "or"

    def _part(self, depth: int) -> Filter:
        at = self._at
        if depth > MAX_DEPTH:
            raise self._wrong(f"It is nested deeper than {MAX_DEPTH} levels.")
        if self._peek() == "not" or self._text.startswith("-", at):
            negation = self._take(_WORD) or self._skip("-")
            if negation != "-":
                self._space()
            if self._at == len(self._text) or self._text[self._at].isspace():
                raise self._wrong("What is not wanted has to follow: -target:crm.", at)
            return Not(self._part(depth + 1))
        if not self._text.startswith("(", at):
            return self._term()
        self._skip("(")
        tree = self._either(depth + 1)
        if not self._skip(")"):
            raise self._wrong("This parenthesis is not closed. Close it, or quote the value.", at)
        return tree

    def _term(self) -> Filter:
        at = self._at
        name = self._take(_NAME)
        path = self._path() if name == DATA else ()
        if name == DATA and not path:
            raise self._wrong("The name of a field has to follow: data.country:DE.")
        if not name or not self._skip(":"):
            raise self._no_term(at)
        if name not in READERS and not path:
            raise self._wrong(_unknown(name), at)
        found = [self._compared(name, path)]
        while self._skip(","):
            found.append(self._compared(name, path))
        return found[0] if len(found) == 1 else Either(tuple(found))

    def _path(self) -> tuple[str, ...]:
        """Read the steps behind ``data``."""
        steps: list[str] = []
        while self._skip("."):
            at = self._at
            name = self._quoted()
            step = self._take(_STEP) if name is None else name
            if name is None and not step:
                raise self._wrong('The name of a field has to follow: data.country, data."a b".')
            if len(steps) == MAX_STEPS:
                raise self._wrong(f"A path has at most {MAX_STEPS} names.", at)
            steps.append(step)
        return tuple(steps)

    def _compared(self, name: str, path: tuple[str, ...]) -> Term:
        """Read one value, and what is before and behind it."""
        at = self._at
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._wrong(f"A filter compares with at most {MAX_TERMS} values.")
        size = self._take(_SIZE)
        value, star = self._worded()
        if size and star:
            raise self._wrong(f"A star means a beginning, which {size} cannot be used with.", at)
        comparison = Comparison.PREFIX if star else Comparison(size)
        try:
            if path:
                return data_term(path, comparison, value)
            return READERS[name](name, comparison, value, self._now_ms)
        except Unreadable as fault:
            raise self._wrong(str(fault), at) from fault

    def _worded(self) -> tuple[str, bool]:
        """Read a value, and whether a star follows it."""
        quoted = self._quoted()
        if quoted is not None:
            return quoted, bool(self._skip("*"))
        at = self._at
        word = self._take(_BARE)
        if not word:
            raise self._wrong('A value has to follow; "" is none at all.')
        value, star = (word[:-1], True) if word.endswith("*") else (word, False)
        if "*" in value:
            place = at + value.index("*")
            raise self._wrong("A star stands at the end alone, or in quotes for itself.", place)
        return value, star

    def _quoted(self) -> str | None:
        """Read a text in quotes, if there is one."""
        if not self._text.startswith('"', self._at):
            return None
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            raise self._wrong(
                'This quote is not closed. In quotes, " is written \\" and \\ is \\\\.'
            )
        self._at = found.end()
        return _ESCAPED.sub(r"\1", found[1])

    def _no_term(self, at: int) -> InvalidFilter:
        """Return what is wrong with something that is no term."""
        bare = _BARE.match(self._text, at)
        if bare is None or bare[0].startswith(":"):
            return self._wrong("Here a field is expected, as in target:crm.", at)
        return self._wrong(_without_field(bare[0]), at)

    def _space(self) -> bool:
        """Skip spaces; whether anything is left."""
        self._take(_SPACE)
        return self._at < len(self._text)

    def _peek(self) -> str:
        """Return the word ``and``, ``or`` or ``not`` that stands here, if there is one."""
        found = _WORD.match(self._text, self._at)
        return found[1].lower() if found else ""

    def _take(self, pattern: re.Pattern[str]) -> str:
        """Read what fits *pattern* here; nothing where nothing does."""
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found[0] if found else ""

    def _skip(self, sign: str) -> str:
        """Read *sign*, if it stands here."""
        if not self._text.startswith(sign, self._at):
            return ""
        self._at += len(sign)
        return sign

    def _wrong(self, message: str, at: int | None = None) -> InvalidFilter:
        """Return the error that something is wrong at *at*, or here."""
        column = (self._at if at is None else at) + 1
        return InvalidFilter(f"Column {column} of the filter: {message}", column=column)


def _unknown(name: str) -> str:
    """Return what is wrong with the field *name*."""
    if meant := MEANT.get(name.lower()):
        return f"There is no field {shown(name)}. Did you mean {meant}?"
    return f"There is no field {shown(name)}. {suggestion(name, (*READERS, 'data.NAME'))}"


def _without_field(word: str) -> str:
    """Return what is wrong with a *word* that belongs to no field."""
    try:
        uuid.UUID(word)
    except ValueError:
        field = "code" if word.upper().startswith("SP-E") else "key"
    else:
        field = "id"
    if word in READERS:
        return f"{word} lacks its value: {word}:…"
    return f"{shown(word)} belongs to no field. Did you mean {field}:{shown(word)}?"


def _is_list(parts: tuple[Filter, ...]) -> bool:
    """Whether *parts* are several values of one field."""
    fields = {(part.field, part.path) if isinstance(part, Term) else None for part in parts}
    return len(parts) > 1 and len(fields) == 1 and None not in fields


def quoted(text: str) -> str:
    """Return *text* as a value in quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _part(filter_: Filter) -> str:
    """Return the text of *filter_* as one part of others."""
    match filter_:
        case Every((only,)) | Either((only,)):
            return _part(only)
        case Every() | Either() if not (isinstance(filter_, Either) and _is_list(filter_.parts)):
            return f"({text_of(filter_)})"
    return text_of(filter_)


def _alternative(filter_: Filter) -> str:
    """Return the text of *filter_* between two ``or``, which binds less than what is together."""
    several = isinstance(filter_, Every) and len(filter_.parts) > 1
    return text_of(filter_) if several else _part(filter_)


def _field(term: Term) -> str:
    return ".".join((term.field, *map(_step, term.path)))


def _step(step: str) -> str:
    return step if _STEP.fullmatch(step) else quoted(step)


def _value(term: Term) -> str:
    star = "*" if term.comparison is Comparison.PREFIX else ""
    return f"{'' if star else term.comparison.value}{_written(term)}{star}"


def _written(term: Term) -> str:
    """Return the value of *term*, in quotes where it has to be."""
    if isinstance(term.value, int):
        return moment_text(term.value) if term.field in _MOMENTS else str(term.value)
    plain = _BARE.fullmatch(term.value) and "*" not in term.value and term.value[0] not in "<>"
    beginning = not term.value and term.comparison is Comparison.PREFIX
    return term.value if plain or beginning else quoted(term.value)
